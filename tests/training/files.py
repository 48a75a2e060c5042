"""Small data files of every kind that a user may bring."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]


def write_idx(path: Path, array: Array) -> Path:
    """An IDX file of unsigned bytes, gzipped where the name says so."""
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_mnist(directory: Path, *, train: int, test: int, suffix: str = "") -> Path:
    """A directory with the four classic files; item i is grey i mod 256 all over, its label i mod 10."""
    directory.mkdir(parents=True, exist_ok=True)
    for part, first, count in (("train", 0, train), ("t10k", train, test)):
        values = np.arange(first, first + count)
        write_idx(directory / f"{part}-images-idx3-ubyte{suffix}", np.tile(values[:, None, None] % 256, (1, 4, 6)))
        write_idx(directory / f"{part}-labels-idx1-ubyte{suffix}", values % 10)
    return directory


def write_table(path: Path, *, rows: int = 60, columns: int = 13, label: bool = True) -> Path:
    """A CSV of correlated columns c0 … around 100·i with deviation about i + 1, and a column `kind` of two words."""
    rng = np.random.default_rng(5)
    hidden = rng.normal(size=(rows, 2))
    mixing = rng.normal(size=(2, columns))
    values = 100.0 * np.arange(columns) + (hidden @ mixing + 0.1 * rng.normal(size=(rows, columns))) * np.arange(
        1, columns + 1
    )
    names = [f"c{i}" for i in range(columns)] + (["kind"] if label else [])
    lines = [",".join(names)]
    for row, code in zip(values, hidden, strict=True):
        cells = [f"{value:.6f}" for value in row] + ([("low", "high")[int(code[0] > 0)]] if label else [])
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_pictures(directory: Path, *, count: int = 24, grey: bool = False) -> Path:
    """Pictures of mixed sizes in the sub-folders `dark` and `light`, `count` in each, PNG and JPEG."""
    rng = np.random.default_rng(6)
    for name, low in (("dark", 0), ("light", 128)):
        (directory / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            height, width = rng.integers(20, 50, 2)
            colour = np.full(3, rng.integers(low, low + 128)) if grey else rng.integers(low, low + 128, 3)
            pixels = np.broadcast_to(colour.astype(np.uint8), (height, width, 3))
            Image.fromarray(np.ascontiguousarray(pixels)).save(directory / name / f"{i}.{('png', 'jpg')[i % 2]}")
    return directory
