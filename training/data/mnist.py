"""MNIST and Fashion-MNIST: from a directory, or downloaded by Keras."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from training.data.arrays import items_of, join_official, read_npz
from training.data.dataset import Dataset, class_labels
from training.data.idx import find_idx, load_idx
from training.errors import DataError
from training.tensorflow_import import import_keras

MNIST_LICENCE = "CC BY-SA 3.0 (MNIST: Y. LeCun, C. Cortes, C. J. C. Burges)"
_GARMENTS = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
_KNOWN: dict[str, dict[str, Any]] = {
    "mnist": {"licence": MNIST_LICENCE, "class_names": tuple("0123456789")},
    "fashion-mnist": {"licence": "MIT (Fashion-MNIST: Zalando SE)", "class_names": _GARMENTS},
}
NAMES = tuple(_KNOWN)


def load_mnist(name: str, directory: Path | None) -> Dataset:
    """Load `mnist` or `fashion-mnist`, with the official 10,000 test images last.

    Looked for in `directory`, where given: IDX files in DIR/NAME or DIR itself, or NAME.npz in either; else Keras
    downloads it. Raises DataError where the directory is missing or empty, or the download fails.
    """
    known = _KNOWN[name]
    if directory is not None:
        _require_content(directory)
        for place in (directory / name, directory):
            if "train-images" in find_idx(place):
                return load_idx(place, name=name, **known)
            if (place / f"{name}.npz").is_file():
                return _from_archive(place / f"{name}.npz", name)
    return _download(name, directory)


def _require_content(directory: Path) -> None:
    if not directory.is_dir():
        raise DataError(f"the data directory {directory} " + ("is a file" if directory.exists() else "does not exist"))
    if not any(directory.iterdir()):
        raise DataError(f"the data directory {directory} is empty")


def _from_archive(path: Path, name: str) -> Dataset:
    x, y, official_test = join_official(path, read_npz(path))
    images = items_of(x, "image", where=str(path))
    labels = None if y is None else class_labels(y)[0]
    return Dataset(name=name, inputs=images, labels=labels, official_test=official_test, **_KNOWN[name])


def _download(name: str, directory: Path | None) -> Dataset:
    source = getattr(import_keras().datasets, name.replace("-", "_"))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            (x_train, y_train), (x_test, y_test) = source.load_data()
    except Exception as error:  # Keras raises bare Exception for a failed download
        looked = f"{directory} holds no {name}" if directory else f"no --data-dir was given for {name}"
        raise DataError(f"{looked}, and it could not be downloaded; name a directory with its IDX files") from error
    return Dataset(
        name=name,
        inputs=np.concatenate([x_train, x_test])[..., None],
        labels=np.concatenate([y_train, y_test]).astype(np.int64),
        official_test=len(x_train),
        **_KNOWN[name],
    )
