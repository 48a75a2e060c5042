""".npz archives: one array of items, and labels where there are any."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.datasets.base import Chunk, Wanted, label_text
from latent.datasets.npy import Order, read_header
from latent.errors import CommandError

_SPLIT = (("x_train", "y_train"), ("x_test", "y_test"))


@dataclass(frozen=True)
class _Member:
    """Header of an array in the archive."""

    name: str
    shape: tuple[int, ...]
    order: Order
    dtype: np.dtype[Any]


class NpzDataset:
    """A .npz file: `x` with labels `y`; or x_train and then x_test, as in training; or the only array.

    Members in Fortran order are held in memory whole: their items are not together in the file.
    """

    def __init__(self, path: Path, wanted: Wanted) -> None:
        """Read the headers. Raises CommandError if there is no such array."""
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
                pairs = _pairs(path, names, wanted)
                self._members = [_member(archive, path, x) for x, _ in pairs]
                self._labels = _labels(archive, path, [y for _, y in pairs], names)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise CommandError(f"{path} cannot be read as arrays ({error})") from error
        shapes = [member.shape for member in self._members]
        if () in shapes:
            raise CommandError(f"{path} holds a single number, no items")
        if len({shape[1:] for shape in shapes}) > 1:
            raise CommandError(f"{path}: x_train and x_test must hold items of one shape")
        self.count: int | None = sum(shape[0] for shape in shapes)
        if self._labels is not None and len(self._labels) != self.count:
            raise CommandError(f"{path} holds {len(self._labels)} labels for {self.count} items")

    @property
    def labelled(self) -> bool:
        """Whether the archive holds labels."""
        return self._labels is not None

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Generate chunks while the archive is unpacked."""
        start = 0
        try:
            with zipfile.ZipFile(self.path) as archive:
                for member in self._members:
                    for items in _pieces(archive, self.path, member, size):
                        labels = None if self._labels is None else self._labels[start : start + len(items)]
                        yield Chunk(start, items, labels)
                        start += len(items)
        except (zipfile.BadZipFile, EOFError) as error:
            raise CommandError(f"{self.path} cannot be read to its end ({error})") from error


def _pairs(path: Path, names: list[str], wanted: Wanted) -> list[tuple[str, str]]:
    """Names of the arrays of items, in order, each with the name of its labels."""
    found = next((name for name in wanted.arrays if name in names), None)
    if found is not None:
        return [(found, "y")]
    if "x" in wanted.arrays and {"x_train", "x_test"} <= set(names):
        return list(_SPLIT)
    if len(names) == 1:
        return [(names[0], "y")]
    raise CommandError(f"{path} has {', '.join(names) or 'no arrays'}, but none called {' or '.join(wanted.arrays)}")


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> _Member:
    with archive.open(f"{name}.npy") as stream:
        return _Member(name, *read_header(stream, path))


def _labels(archive: zipfile.ZipFile, path: Path, names: list[str], there: list[str]) -> list[str] | None:
    if not set(names) <= set(there):
        return None
    texts: list[str] = []
    for name in names:
        with archive.open(f"{name}.npy") as stream:
            try:
                values = np.lib.format.read_array(stream, allow_pickle=False)
            except ValueError as error:
                raise CommandError(f"{path}: the labels {name} cannot be read ({error})") from error
        texts += [label_text(value) for value in values.ravel()]
    return texts


def _pieces(archive: zipfile.ZipFile, path: Path, member: _Member, size: int) -> Iterator[NDArray[Any]]:
    n, item_bytes = member.shape[0], math.prod(member.shape[1:]) * member.dtype.itemsize
    with archive.open(f"{member.name}.npy") as stream:
        read_header(stream, path)
        if member.order == "F":
            array = _array(path, stream.read(), member.dtype, (n, *member.shape[1:]), "F")
            yield from (array[start : start + size] for start in range(0, n, size))
            return
        for start in range(0, n, size):
            rows = min(size, n - start)
            yield _array(path, stream.read(rows * item_bytes), member.dtype, (rows, *member.shape[1:]), "C")


def _array(path: Path, data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Order) -> NDArray[Any]:
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise CommandError(f"{path} is cut short: an array is smaller than its header announces")
    return np.frombuffer(data, dtype).reshape(shape, order=order)
