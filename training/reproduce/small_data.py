"""Small parts of data sets, a few hundred items, for quick runs."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from model_store.arrays import UInt8
from training.config import DataConfig, InputConfig
from training.data import load
from training.data.dataset import Dataset
from training.data.mnist import NAMES as DOWNLOADED
from training.data.splits import split
from training.errors import DataError

TRAIN_ITEMS = 480
TEST_ITEMS = 60
FALLBACK = "mnist-5k"


def small_source(source: str, data_dir: Path | None, directory: Path) -> tuple[str, str]:
    """Write a small part of an image data set as IDX files; return the source to train on and its description.

    The first 480 training and 60 test items, or those of mnist-5k where `data_dir` does not hold the data set. Data
    that need no directory and hold few items (points on a curve) stay as they are.
    """
    if source not in (*DOWNLOADED, FALLBACK):
        return source, source
    name, dataset = _held(source, data_dir)
    splits = split(len(dataset), dataset.official_test)
    place = directory / name
    place.mkdir(parents=True, exist_ok=True)
    for part, indices in (("train", splits.train[:TRAIN_ITEMS]), ("t10k", splits.test[:TEST_ITEMS])):
        _write_idx(place / f"{part}-images-idx3-ubyte.gz", np.asarray(dataset.inputs[indices, ..., 0], np.uint8))
        if dataset.labels is not None:
            _write_idx(place / f"{part}-labels-idx1-ubyte.gz", dataset.labels[indices].astype(np.uint8))
    return str(place), f"{TRAIN_ITEMS} + {TEST_ITEMS} items of {name}"


def _held(source: str, data_dir: Path | None) -> tuple[str, Dataset]:
    if source != FALLBACK and data_dir is not None:
        try:
            return source, load(DataConfig(source=source, dir=data_dir), InputConfig())
        except DataError:
            pass  # nor is anything downloaded for a run of seconds
    return FALLBACK, load(DataConfig(source=FALLBACK), InputConfig())


def _write_idx(path: Path, array: UInt8) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1))
