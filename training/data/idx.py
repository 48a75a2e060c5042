"""IDX files, plain or gzipped: the format that MNIST was published in (described on its authors' page)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from model_store.arrays import UInt8
from training.data.dataset import NOT_STATED, Dataset, Labels, class_labels
from training.errors import DataError

_UNSIGNED_BYTE = 0x08
_PARTS = ("train", "t10k")


def read_idx(path: Path) -> UInt8:
    """One file of unsigned bytes: magic 0, 0, 8, rank; then each size, big endian; then the bytes.

    Raises DataError for anything else.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        zeros, kind, rank = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{rank}I", content, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path} cannot be read as an IDX file ({error})") from error
    start = 4 + 4 * rank
    if zeros != 0 or kind != _UNSIGNED_BYTE or len(content) - start != math.prod(shape):
        raise DataError(f"{path} is no complete IDX file of unsigned bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def find_idx(directory: Path) -> dict[str, Path]:
    """Find a directory's files by role: `train-images`, `train-labels`, `t10k-images`, `t10k-labels`."""
    found: dict[str, Path] = {}
    if directory.is_dir():
        for path in sorted(directory.iterdir()):
            for part in _PARTS:
                for what in ("images", "labels"):
                    if path.is_file() and path.name.startswith(f"{part}-{what}"):
                        found.setdefault(f"{part}-{what}", path)
    return found


def load_idx(
    directory: Path, *, name: str, licence: str = NOT_STATED, class_names: tuple[str, ...] | None = None
) -> Dataset:
    """Read the training items of a directory, then its test items if it has them. Raises DataError.

    `class_names` are names for the labels 0, 1, 2 …; without them the numbers are the names.
    """
    files = find_idx(directory)
    if "train-images" not in files:
        raise DataError(f"{directory} has no train-images IDX file")
    images: list[UInt8] = []
    labels: list[Labels] = []
    parts = [part for part in _PARTS if f"{part}-images" in files]
    for part in parts:
        images.append(_images(files[f"{part}-images"]))
        if f"{part}-labels" in files:
            labels.append(read_idx(files[f"{part}-labels"]).ravel().astype(np.int64))
            if len(labels[-1]) != len(images[-1]):
                raise DataError(f"{directory}: {len(images[-1])} {part} images, but {len(labels[-1])} labels")
    if len({part.shape[1:] for part in images}) > 1:
        raise DataError(f"{directory}: training and test images have different sizes")
    indices: Labels | None = None
    if len(labels) == len(parts):
        indices = np.concatenate(labels)
        if class_names is None:
            indices, class_names = class_labels(indices)
    return Dataset(
        name=name,
        inputs=np.concatenate(images),
        labels=indices,
        class_names=None if indices is None else class_names,
        licence=licence,
        official_test=len(images[0]) if len(parts) == 2 else None,
    )


def _images(path: Path) -> UInt8:
    array = read_idx(path)
    if array.ndim not in (3, 4) or len(array) == 0:
        raise DataError(f"{path} has shape {array.shape}; expected images (n, h, w)")
    images = array[..., None] if array.ndim == 3 else array
    if images.shape[-1] not in (1, 3):
        raise DataError(f"{path} has shape {array.shape}; the last axis must be 1 (grey) or 3 (RGB)")
    return images
