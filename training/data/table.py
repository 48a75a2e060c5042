"""Columns of CSV and Parquet tables: their names, and the one that holds the label."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from training.errors import DataError

_INTEGER = re.compile(r"-?[0-9]{1,6}")


def label_position(path: Path, columns: Sequence[str], label: str | None) -> int | None:
    """Find the position of the label's column, or None. Raises DataError for a name or number that does not exist."""
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
    """Read a column number: from 0, or from the end if negative; None if the text is not one."""
    if not _INTEGER.fullmatch(label) or not -width <= int(label) < width:
        return None
    return int(label) % width


def require_columns(path: Path, columns: Sequence[str], label: int | None) -> None:
    """Raise DataError for duplicate names, or if the label is the only column."""
    if len(set(columns)) != len(columns):
        twice = next(name for i, name in enumerate(columns) if name in columns[:i])
        raise DataError(f"{path}: the column name {twice!r} occurs twice")
    if len(columns) == (label is not None):
        raise DataError(f"{path} has no column beside the label")
