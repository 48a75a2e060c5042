"""What a loaded version occupies, and which versions have to go where all of them together are too much."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from model_store import Manifest
from model_store.verify import DECODER, ENCODER

STATUS = Path("/proc/self/status")
_PER_FILE_BYTE = 5
"""Measured: loaded networks occupy 1.1 (large dense ones) to 5 times (convolutional ones) the bytes of their files."""


class Occupant(Protocol):
    """A loaded version, as the budget sees it."""

    @property
    def occupied_bytes(self) -> int:
        """Its memory."""

    @property
    def used_at(self) -> float:
        """When a request last had it, on the clock of time.monotonic."""

    @property
    def in_use(self) -> bool:
        """Whether a request has it now."""


V = TypeVar("V", bound=Occupant)


def to_unload(loaded: Sequence[V], budget_bytes: int, kept: Collection[V]) -> tuple[list[V], bool]:
    """Versions to unload, the least recently used first, so that the others fit into the budget; and whether they do.

    Never one that is in use, one of `kept`, or the most recently used: a version larger than the budget still serves.
    """
    excess = sum(version.occupied_bytes for version in loaded) - budget_bytes
    going: list[V] = []
    for version in sorted(loaded, key=lambda version: version.used_at)[:-1]:
        if excess <= 0:
            break
        if not version.in_use and version not in kept:
            going.append(version)
            excess -= version.occupied_bytes
    return going, excess <= 0


def resident_bytes(status: Path = STATUS) -> int | None:
    """Memory that this process keeps for itself: no files mapped into it, nothing it has freed. None but on Linux."""
    _trim()
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)


def network_bytes(manifest: Manifest) -> int:
    """Bytes of the files of both networks of a version."""
    halves = (f"{ENCODER}/", f"{DECODER}/")
    return sum(file.size for path, file in manifest.files.items() if path.startswith(halves))


def occupied_bytes(manifest: Manifest, before: int | None, after: int | None) -> int:
    """What loading a version has cost: what the process grew by, or what its networks' files let expect.

    At least those files' size: what another version has just left may be reused, and hide the growth.
    """
    files = network_bytes(manifest)
    if before is None or after is None:
        return _PER_FILE_BYTE * files
    return max(files, after - before)


def _trim() -> None:
    """Give freed memory back to the system, so that it is counted to nobody: 0.2 ms."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # the C library may be another than glibc
            ctypes.CDLL(None).malloc_trim(0)
