"""Memory of loaded versions: measures it, and chooses which versions to unload when the budget is exceeded."""

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
"""Memory bytes for each byte of a network's files. Measured: 1.1 (large dense networks) to 5 (convolutional ones)."""


class Occupant(Protocol):
    """A loaded version, as the memory budget needs it."""

    @property
    def occupied_bytes(self) -> int:
        """The memory of the version."""

    @property
    def used_at(self) -> float:
        """When a request last used the version (time.monotonic)."""

    @property
    def in_use(self) -> bool:
        """Whether a request has a lease on the version now."""


V = TypeVar("V", bound=Occupant)


def to_unload(loaded: Sequence[V], budget_bytes: int, kept: Collection[V]) -> tuple[list[V], bool]:
    """Choose versions to unload, least recently used first, until the rest fits the budget; and whether it fits.

    Never a version in use, one of `kept`, or the most recently used one: a version larger than the budget still serves.
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
    """The private resident memory of this process, without mapped files and freed memory; None if not on Linux."""
    _trim()
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)


def network_bytes(manifest: Manifest) -> int:
    """Size of the files of a version's encoder and decoder."""
    halves = (f"{ENCODER}/", f"{DECODER}/")
    return sum(file.size for path, file in manifest.files.items() if path.startswith(halves))


def occupied_bytes(manifest: Manifest, before: int | None, after: int | None) -> int:
    """Estimate a loaded version's memory by the growth of the process, or else by the size of its files.

    At least the size of the files: memory freed by another version may be reused, which hides the growth.
    """
    files = network_bytes(manifest)
    if before is None or after is None:
        return _PER_FILE_BYTE * files
    return max(files, after - before)


def _trim() -> None:
    """Return freed memory to the system, so that it is not counted as a version's memory; takes 0.2 ms."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # the C library may be another than glibc
            ctypes.CDLL(None).malloc_trim(0)
