"""Data sources, one module each, behind one function."""

from __future__ import annotations

import difflib
from pathlib import Path

from training.config import DataConfig, InputConfig
from training.data.arrays import load_npy, load_npz
from training.data.csv_table import load_csv
from training.data.dataset import Dataset
from training.data.folder import load_folder
from training.data.idx import find_idx, load_idx
from training.data.mnist import NAMES as MNIST_NAMES
from training.data.mnist import load_mnist
from training.data.mnist_5k import load_mnist_5k
from training.data.parquet import load_parquet
from training.data.s_curve import load_s_curve
from training.data.sine import load_sine
from training.errors import BadSetting, DataError

NAMES = ("mnist-5k", *MNIST_NAMES, "sine", "s-curve")
_KINDS = "a directory of images or IDX files, .npy, .npz, .csv or .parquet"

__all__ = ["NAMES", "Dataset", "load"]


def load(data: DataConfig, options: InputConfig) -> Dataset:
    """Read the items of a named source or of a path. Raises DataError."""
    source = data.source
    if not source:
        raise BadSetting(f"data.source is empty; expected {', '.join(NAMES)}, {_KINDS}")
    if data.label is not None and source in NAMES:
        raise BadSetting(f"data.label names a column of a table, but {source} has none")
    if source == "mnist-5k":
        return load_mnist_5k()
    if source in MNIST_NAMES:
        return load_mnist(source, data.dir)
    if source == "sine":
        return load_sine()
    if source == "s-curve":
        return load_s_curve()
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:
        raise DataError(f"the data {source!r} do not exist: there is no home directory to look in") from error
    return _load_path(path, data, options)


def _load_path(path: Path, data: DataConfig, options: InputConfig) -> Dataset:
    if not path.exists():
        near = difflib.get_close_matches(data.source, NAMES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(NAMES)}, {_KINDS}"
        raise DataError(f"the data {data.source!r} do not exist; {hint}")
    if path.is_dir():
        path = path.resolve()
        if not any(path.iterdir()):
            raise DataError(f"the data directory {path} is empty")
        if data.label is not None:
            raise BadSetting(f"data.label names a column of a table, but {path} is a directory")
        return load_idx(path, name=path.name) if find_idx(path) else load_folder(path, options)
    match path.suffix.lower():
        case ".npy":
            return load_npy(path, data, options)
        case ".npz":
            return load_npz(path, data, options)
        case ".csv":
            return load_csv(path, data)
        case ".parquet":
            return load_parquet(path, data)
    raise DataError(f"{path} is of no kind that is read: {_KINDS}")
