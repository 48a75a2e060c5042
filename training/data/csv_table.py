"""A CSV of numbers with a header line; one column may be a label of any kind."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model_store.text_encodings import other_encoding_of
from training.config import DataConfig
from training.data.dataset import Dataset, class_labels
from training.data.table import label_position, require_columns
from training.errors import DataError

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def load_csv(path: Path, data: DataConfig) -> Dataset:
    """Read rows of numbers, separated by commas, semicolons or tabs.

    A first line of nothing but numbers is data: the columns are then numbered from 0. Raises DataError, naming the
    row as the file's lines are numbered from 1, and the column.
    """
    rows = _read(path)
    line, first = next(rows, (0, []))
    if not first:
        raise DataError(f"{path} is empty")
    headless = all(_number(cell) is not None for cell in first)
    columns = [str(i) for i in range(len(first))] if headless else [cell.strip() for cell in first]
    label = label_position(path, columns, data.label)
    require_columns(path, columns, label)
    numbers: list[list[float]] = []
    labels: list[str] = []
    body = ((at, cells) for pair in ([(line, first)] if headless else [], rows) for at, cells in pair)
    for at, cells in body:
        if len(cells) != len(columns):
            raise DataError(f"{path}, row {at}: {len(cells)} cells; expected {len(columns)}, as in the first row")
        if label is not None:
            labels.append(_label_text(path, at, columns[label], cells[label]))
        numbers.append([_cell(path, at, columns[i], cell, label) for i, cell in enumerate(cells) if i != label])
    if not numbers:
        raise DataError(f"{path} has a header but no rows")
    indices, class_names = class_labels(labels) if label is not None else (None, None)
    return Dataset(
        name=path.name,
        inputs=np.array(numbers, np.float32),
        labels=indices,
        class_names=class_names,
        columns=tuple(name for i, name in enumerate(columns) if i != label),
    )


def _read(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Read line numbers and cells of all rows that are not blank."""
    try:
        encoding = other_encoding_of(path)
        if encoding is not None:
            raise DataError(f"{path} is {encoding}; expected UTF-8: save it as that")
        with path.open(newline="", encoding="utf-8-sig") as file:
            start = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=start.count)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({error})") from error


def _number(cell: str) -> float | None:
    """Read a cell's number, infinities and NaN included; None if it is not a number."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _cell(path: Path, line: int, column: str, cell: str, label: int | None) -> float:
    value = _number(cell)
    if value is not None and math.isfinite(value) and abs(value) <= _FLOAT32_MAX:
        return value
    got = repr(cell) if cell.strip() else "an empty cell"
    hint = (
        f" (a label is set by data.label={column or 'its number from 0'})"
        if value is None and cell.strip() and label is None
        else ""
    )
    raise DataError(f"{path}, row {line}, column {column!r}: expected a finite number, got {got}{hint}")


def _label_text(path: Path, line: int, column: str, cell: str) -> str:
    if not cell.strip():
        raise DataError(f"{path}, row {line}, column {column!r}: expected a label, got an empty cell")
    return cell
