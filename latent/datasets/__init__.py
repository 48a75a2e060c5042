"""Data sets in files, read in chunks, so that their size does not matter. One module a format, one protocol.

A file means here what it means in training. `latent.bulk` converts the items for a model.
"""

from __future__ import annotations

from pathlib import Path

from latent.datasets.base import Chunk, Dataset, Wanted, codes_wanted, items_wanted, whole
from latent.errors import CommandError

__all__ = ["FILES", "Chunk", "Dataset", "Wanted", "codes_wanted", "is_dataset", "items_wanted", "open_dataset", "whole"]

TABLES = (".csv", ".parquet")
FILES = (".npy", ".npz", *TABLES)


def is_dataset(path: Path) -> bool:
    """Tell by its name whether a path is a data set: a directory, or a file that holds many items."""
    return path.suffix.lower() in FILES or path.is_dir()


def open_dataset(path: Path, wanted: Wanted) -> Dataset:
    """Open the data set at `path` and read its header. Raises CommandError that names the file and the fault."""
    if wanted.label is not None and path.suffix.lower() not in TABLES:
        raise CommandError(f"--label-column names a column of a table, but {path} is none")
    try:
        return _open(path, wanted)
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error


def _open(path: Path, wanted: Wanted) -> Dataset:
    if path.is_dir():
        from latent.datasets.idx import IdxDataset, idx_parts
        from latent.datasets.pictures import PictureDataset

        parts = idx_parts(path)
        return IdxDataset(path, parts) if parts else PictureDataset(path)
    match path.suffix.lower():
        case ".npy":
            from latent.datasets.npy import NpyDataset

            return NpyDataset(path)
        case ".npz":
            from latent.datasets.npz import NpzDataset

            return NpzDataset(path, wanted)
        case ".csv":
            from latent.datasets.csv_table import CsvDataset

            return CsvDataset(path, wanted)
        case ".parquet":
            from latent.datasets.parquet_table import ParquetDataset

            return ParquetDataset(path, wanted)
    raise CommandError(f"{path} is no data set: expected a directory, {', '.join(FILES[:-1])} or {FILES[-1]}")
