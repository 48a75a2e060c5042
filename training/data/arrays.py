"""Reading `.npy` and `.npz` files, and checking that an array can be trained on."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32, UInt8
from training.config import DataConfig, InputConfig
from training.data.dataset import Dataset, Labels, class_labels
from training.data.table import column_index
from training.errors import BadSetting, DataError

Array = NDArray[Any]

_SPLIT_KEYS = ("x_train", "y_train", "x_test", "y_test")


def load_npy(path: Path, data: DataConfig, options: InputConfig) -> Dataset:
    """Read one array (n, …) as images or vectors, by its rank and type; see `items_of`. Raises DataError."""
    array = _read(path)
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an .npz archive by its content")
    return _labelled(path, array, None, None, data, options)


def load_npz(path: Path, data: DataConfig, options: InputConfig) -> Dataset:
    """Read `x` and optional labels `y`; or x_train, y_train, x_test, y_test, and keep this test split.

    Raises DataError.
    """
    arrays = read_npz(path)
    if {"x_train", "x_test"} <= arrays.keys():
        x, y, official_test = join_official(path, arrays)
        return _labelled(path, x, y, official_test, data, options)
    if "x" not in arrays:
        raise DataError(f"{path} must hold an array named x (and y for labels); it holds {', '.join(arrays) or 'none'}")
    return _labelled(path, arrays["x"], arrays.get("y"), None, data, options)


def read_npz(path: Path) -> dict[str, Array]:
    """Read every array of an archive. Raises DataError."""
    archive = _read(path)
    if isinstance(archive, np.ndarray):
        raise DataError(f"{path} is an .npy array by its content")
    return archive


def join_official(path: Path, arrays: dict[str, Array]) -> tuple[Array, Array | None, int]:
    """Join training and test items of a Keras-style archive: x, y, index of the first test item. Raises DataError."""
    x_train, y_train, x_test, y_test = (arrays.get(key) for key in _SPLIT_KEYS)
    if x_train is None or x_test is None or x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(f"{path}: x_train and x_test must hold items of one shape")
    labels = None if y_train is None or y_test is None else np.concatenate([y_train.ravel(), y_test.ravel()])
    return np.concatenate([x_train, x_test]), labels, len(x_train)


def items_of(array: Array, kind: str, *, where: str) -> UInt8 | Float32:
    """Convert numbers to images uint8 (n, h, w, c), vectors float32 (n, f) or sequences float32 (n, steps, f).

    Rank 2 are vectors, rank 3 sequences where `kind` says so. Else rank 3 (n, h, w) and rank 4 (n, h, w, 1 or 3) are
    images: integers 0…255, or floats in [0, 1], which are kept to the nearest of 256 levels, as a picture file would.
    Raises DataError.
    """
    if array.dtype == object or array.dtype.kind not in "buif":
        raise DataError(f"{where} holds {array.dtype}, not numbers")
    expected = {"vector": (2,), "image": (3, 4), "sequence": (3,)}.get(kind, (2, 3, 4))
    if array.ndim not in expected:
        raise DataError(
            f"{where} has shape {array.shape}; expected vectors (n, features), images (n, h, w) or (n, h, w, 1 or 3),"
            " or, with input.kind=sequence, (n, steps, features)"
        )
    if 0 in array.shape:
        raise DataError(f"{where} is empty: its shape is {array.shape}")
    if array.dtype.kind == "f":
        _require_finite(array, where)
    return _vectors(array, where) if array.ndim == 2 or kind == "sequence" else _images(array, where)


def _read(path: Path) -> Array | dict[str, Array]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if "pickle" in str(error) or "object array" in str(error).lower():
            raise DataError(
                f"{path} holds Python objects or is no numpy file; only arrays of numbers are read"
            ) from error
        raise DataError(f"{path} cannot be read as a numpy file ({error})") from error


def _labelled(
    path: Path, x: Array, y: Array | None, official_test: int | None, data: DataConfig, options: InputConfig
) -> Dataset:
    labels: Labels | None = None
    class_names: tuple[str, ...] | None = None
    items = items_of(x, options.kind, where=str(path))
    if y is not None and data.label is not None:
        raise BadSetting(f"{path} holds labels (y), so data.label must not be set")
    if y is not None:
        if y.ndim not in (1, 2) or y.size != len(items):
            raise DataError(f"{path}: y has shape {y.shape} for {len(items)} items; expected ({len(items)},)")
        labels, class_names = class_labels(y.ravel())
    elif data.label is not None:
        items, labels, class_names = _split_label(path, items, data.label)
    return Dataset(name=path.name, inputs=items, labels=labels, class_names=class_names, official_test=official_test)


def _split_label(path: Path, items: UInt8 | Float32, label: str) -> tuple[Float32, Labels, tuple[str, ...]]:
    if items.ndim != 2:
        raise DataError(f"{path}: data.label names a column, but the items are images")
    width = items.shape[1]
    index = column_index(label, width)
    if index is None or width < 2:
        raise DataError(f"{path}: data.label is {label!r}; the array has columns 0 to {width - 1}, without names")
    labels, class_names = class_labels(items[:, index])
    return np.delete(items, index, axis=1).astype(np.float32), labels, class_names


def _require_finite(array: Array, where: str) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        position = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        raise DataError(f"{where}: the value at {list(position)} is {array[position]}, not a finite number")


def _vectors(array: Array, where: str) -> Float32:
    with np.errstate(over="ignore"):
        vectors = array.astype(np.float32)
    _require_finite(vectors, where)
    return vectors


def _images(array: Array, where: str) -> UInt8:
    images = array[..., None] if array.ndim == 3 else array
    if images.shape[-1] not in (1, 3):
        raise DataError(f"{where} has shape {array.shape}; the last axis of images must be 1 (grey) or 3 (RGB)")
    if images.dtype == np.uint8:
        return images
    top = 255 if images.dtype.kind in "ui" else 1
    low, high = images.min(), images.max()
    if low < 0 or high > top:
        raise DataError(
            f"{where} runs from {low:g} to {high:g}; images are integers from 0 to 255 or floats from 0 to 1"
        )
    return np.asarray(np.rint(images * np.float32(255 // top)), np.uint8)
