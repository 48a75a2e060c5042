""".npy files, mapped into memory: C or Fortran order, either byte order, any numbers."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from latent.datasets.base import Chunk
from latent.errors import CommandError

Order = Literal["C", "F"]

_HELD_BYTES = 32 << 20
"""Bytes read before their pages are given back to the system."""


class NpyDataset:
    """A .npy file with one array (n, …)."""

    labelled = False

    def __init__(self, path: Path) -> None:
        """Map the file. Raises CommandError if it is not a complete array of numbers."""
        self.path = path
        with path.open("rb") as file:
            self._shape, self._order, self._dtype = read_header(file, path)
            self._offset = file.tell()
            follow = path.stat().st_size - self._offset
        if not self._shape:
            raise CommandError(f"{path} holds a single number, no items")
        announced = math.prod(self._shape) * self._dtype.itemsize
        if follow < announced:
            raise CommandError(f"{path} is cut short: its header announces {announced} bytes, {follow} follow it")
        self.count: int | None = self._shape[0]

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks as views of the file: pages are read when they are used, and given back afterwards.

        In Fortran order every element of an item has a page of its own, and the system maps 64 KiB around each.
        """
        with self.path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        array: NDArray[Any] = np.ndarray(self._shape, self._dtype, mapped, self._offset, order=self._order)
        held_bytes = 0
        for start in range(0, self._shape[0], size):
            items = array[start : start + size]
            yield Chunk(start, items)
            held_bytes += items.nbytes
            if held_bytes > _HELD_BYTES:
                mapped.madvise(mmap.MADV_DONTNEED)
                held_bytes = 0


def read_header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], Order, np.dtype[Any]]:
    """Read the header of a .npy file: shape, order ("C" or "F") and type; `file` is then at its data.

    Raises CommandError for anything but numbers, Python objects above all.
    """
    try:
        version = np.lib.format.read_magic(file)
        # Version 3 is for field names beyond Latin-1: no array of numbers has any.
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except OSError:
        raise
    except Exception as error:  # whatever numpy's parser meets in a header that is none
        raise CommandError(f"{path} cannot be read as arrays ({_first_line(error)})") from error
    if dtype.kind not in "buif" or min(shape, default=0) < 0:
        raise CommandError(f"{path} cannot be read as arrays of numbers (it holds {_described(dtype)})")
    return shape, "F" if fortran else "C", dtype


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".:")


def _described(dtype: DTypeLike) -> str:
    return "Python objects" if np.dtype(dtype).hasobject else str(np.dtype(dtype))
