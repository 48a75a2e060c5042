"""A Parquet table of numbers; one column may be a label of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from training.config import DataConfig
from training.data.dataset import Dataset, class_labels
from training.data.table import label_position, require_columns
from training.errors import DataError

ArrowColumn = Any


def load_parquet(path: Path, data: DataConfig) -> Dataset:
    """Read columns of numbers. Raises DataError that names row (from 1) and column, or that pyarrow is missing."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise DataError("reading .parquet needs pyarrow: pip install '.[parquet]'") from error
    try:
        table = read_table(path)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet") from error
    columns = list(table.column_names)
    label = label_position(path, columns, data.label)
    require_columns(path, columns, label)
    if not table.num_rows:
        raise DataError(f"{path} has no rows")
    features = [_numbers(path, name, table.column(i), label) for i, name in enumerate(columns) if i != label]
    indices, class_names = None, None
    if label is not None:
        values = table.column(label).to_pylist()
        if None in values:
            raise DataError(f"{path}, row {values.index(None) + 1}, column {columns[label]!r}: the label is missing")
        indices, class_names = class_labels(values)
    return Dataset(
        name=path.name,
        inputs=np.stack(features, axis=1),
        labels=indices,
        class_names=class_names,
        columns=tuple(name for i, name in enumerate(columns) if i != label),
    )


def _numbers(path: Path, name: str, column: ArrowColumn, label: int | None) -> Float32:
    values: NDArray[Any] = np.asarray(column.to_numpy(zero_copy_only=False) if column.null_count == 0 else column)
    if column.null_count:
        row = column.is_null().to_pylist().index(True) + 1
        raise DataError(f"{path}, row {row}, column {name!r}: expected a finite number, got an empty cell")
    if values.dtype.kind not in "buif":
        hint = f" (a label is set by data.label={name})" if label is None else ""
        raise DataError(f"{path}, column {name!r}: expected numbers, got {column.type}{hint}")
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{path}, row {row + 1}, column {name!r}: expected a finite number, got {values[row]}")
    return numbers
