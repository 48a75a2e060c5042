"""A cache on disk for measured cost curves: one small file for each version, half, engine and kind of machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from model_store.durable import write_durably
from model_store.files import read_bounded
from service.batching.costs import CostCurve

_MAX_BYTES = 1 << 20


def users_cache_directory() -> Path | None:
    """`latent` in the user's cache directory; None for a user without a home, or whose home is not there.

    A container may run under any number, which has no entry in /etc/passwd; nobody wants a home made by a service.
    """
    try:
        directory = user_cache_path("latent")
    except (RuntimeError, OSError):  # of platformdirs: there is no home
        return None
    return directory if directory.is_absolute() and os.path.isdir(directory.parent.parent) else None  # noqa: PTH112


class CostCache:
    """Reads and writes cost curves in a directory. A curve that cannot be read is measured again at the next start.

    Without a directory nothing is kept.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def read(self, identity: Mapping[str, str]) -> CostCurve | None:
        """The curve that was measured for this program on this kind of machine; None where there is none."""
        path = self._path(identity)
        if path is None:
            return None
        try:
            document = json.loads(read_bounded(path, _MAX_BYTES))
            sizes, seconds = tuple(map(int, document["sizes"])), tuple(map(float, document["seconds"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        sound = len(sizes) == len(seconds) > 0 and sizes == tuple(sorted(set(sizes))) and min(seconds) > 0
        return CostCurve(sizes, seconds) if sound else None

    def write(self, identity: Mapping[str, str], curve: CostCurve) -> None:
        """Write a curve to disk; errors of the file system are ignored."""
        path = self._path(identity)
        if path is None:
            return
        document = {**identity, "sizes": curve.sizes, "seconds": curve.seconds}
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, json.dumps(document, indent=1).encode())

    def _path(self, identity: Mapping[str, str]) -> Path | None:
        if self._directory is None:
            return None
        digest = hashlib.sha256(json.dumps(sorted(identity.items())).encode()).hexdigest()
        return self._directory / f"costs-{digest[:32]}.json"
