"""What CSV and Parquet share: named columns, one of which may be the label."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from training.errors import DataError

_INTEGER = re.compile(r"-?[0-9]{1,6}")


def label_position(path: Path, columns: Sequence[str], label: str | None) -> int | None:
    """Where the label's column stands, or None. Raises DataError where there is none of that name or number."""
    if label is None:
        return None
    if label in columns:
        return columns.index(label)
    index = column_index(label, len(columns))
    if index is not None:
        return index
    near = difflib.get_close_matches(label, columns, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(columns)}"
    raise DataError(f"{path} has no column {label!r} for data.label; {hint}")


def column_index(label: str, width: int) -> int | None:
    """The column that a number stands for, from 0 or, where negative, from the end; None for anything else."""
    if not _INTEGER.fullmatch(label) or not -width <= int(label) < width:
        return None
    return int(label) % width


def require_columns(path: Path, columns: Sequence[str], label: int | None) -> None:
    """Raise DataError for names that occur twice, or where no column is left beside the label."""
    if len(set(columns)) != len(columns):
        twice = next(name for i, name in enumerate(columns) if name in columns[:i])
        raise DataError(f"{path}: the column name {twice!r} occurs twice")
    if len(columns) == (label is not None):
        raise DataError(f"{path} has no column beside the label")
