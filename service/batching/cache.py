"""A cache on disk for measured cost curves: one small file for each version, half, engine and kind of machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from model_store.durable import write_durably
from model_store.files import read_bounded
from service.batching.costs import CostCurve

_MAX_BYTES = 1 << 20


class CostCache:
    """Reads and writes cost curves in a directory. A curve that cannot be read is measured again at the next start."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, identity: Mapping[str, str]) -> CostCurve | None:
        """The curve that was measured for this program on this kind of machine; None where there is none."""
        try:
            document = json.loads(read_bounded(self._path(identity), _MAX_BYTES))
            sizes, seconds = tuple(map(int, document["sizes"])), tuple(map(float, document["seconds"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        sound = len(sizes) == len(seconds) > 0 and sizes == tuple(sorted(set(sizes))) and min(seconds) > 0
        return CostCurve(sizes, seconds) if sound else None

    def write(self, identity: Mapping[str, str], curve: CostCurve) -> None:
        """Write a curve to disk; errors of the file system are ignored."""
        document = {**identity, "sizes": curve.sizes, "seconds": curve.seconds}
        with suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
            write_durably(self._path(identity), json.dumps(document, indent=1).encode())

    def _path(self, identity: Mapping[str, str]) -> Path:
        digest = hashlib.sha256(json.dumps(sorted(identity.items())).encode()).hexdigest()
        return self._directory / f"costs-{digest[:32]}.json"
