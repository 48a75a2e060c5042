"""IDX files, plain or gzipped: the format that MNIST was published in (described on its authors' page)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from latent.datasets.base import Chunk
from latent.errors import CommandError

_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class Part:
    """A file of images and, if there is one, its file of labels."""

    images: Path
    labels: Path | None


def idx_parts(directory: Path) -> list[Part]:
    """Find a directory's training files, then its test files; none if it holds no IDX files."""
    from training.data.idx import find_idx

    files = find_idx(directory)
    return [
        Part(files[f"{part}-images"], files.get(f"{part}-labels"))
        for part in ("train", "t10k")
        if f"{part}-images" in files
    ]


class IdxDataset:
    """IDX files of unsigned bytes: magic 0, 0, 8, rank; then each size, big endian; then the items."""

    def __init__(self, path: Path, parts: list[Part]) -> None:
        """Read the headers. Raises CommandError if a file is not an IDX file of unsigned bytes."""
        self.path, self._parts = path, parts
        self._shapes = [_shape(part.images) for part in parts]
        if len({shape[1:] for shape in self._shapes}) > 1:
            raise CommandError(f"{path}: training and test images have different sizes")
        self.count: int | None = sum(shape[0] for shape in self._shapes)
        self.labelled = all(part.labels is not None for part in parts)
        for part, (n, *_) in zip(parts, self._shapes, strict=True):
            if part.labels is not None and _shape(part.labels) != (n,):
                raise CommandError(f"{part.labels} does not hold one label for each of {n} images")

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks uint8 (n, …)."""
        start = 0
        for part, (n, *item) in zip(self._parts, self._shapes, strict=True):
            with _open(part.images) as images, _open(part.labels or part.images) as labels:
                _header(part.images, images)
                _header(part.labels or part.images, labels)
                for at in range(0, n, size):
                    rows = min(size, n - at)
                    pixels = _read(part.images, images, rows * math.prod(item))
                    named = (
                        [str(label) for label in _read(part.labels, labels, rows)]
                        if self.labelled and part.labels is not None
                        else None
                    )
                    yield Chunk(start, np.frombuffer(pixels, np.uint8).reshape(rows, *item), named)
                    start += rows


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path, "rb")) if zipped else path.open("rb")


def _shape(path: Path) -> tuple[int, ...]:
    with _open(path) as file:
        return _header(path, file)


def _header(path: Path, file: IO[bytes]) -> tuple[int, ...]:
    start = _read(path, file, 4)
    zeros, kind, rank = struct.unpack(">HBB", start)
    if zeros != 0 or kind != _UNSIGNED_BYTE or not rank:
        raise CommandError(f"{path} is no IDX file of unsigned bytes")
    return struct.unpack(f">{rank}I", _read(path, file, 4 * rank))


def _read(path: Path, file: IO[bytes], size: int) -> bytes:
    try:
        data = file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CommandError(f"{path} cannot be read to its end ({error})") from error
    if len(data) != size:
        raise CommandError(f"{path} is cut short: it holds less than it announces")
    return data
