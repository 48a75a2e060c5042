"""What CSV and Parquet share: named columns, one of which may be the label."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from training.errors import DataError


def label_position(path: Path, columns: Sequence[str], label: str | int | None) -> int | None:
    """Where the label's column stands, or None. Raises DataError where there is none of that name or number."""
    if label is None:
        return None
    if str(label) in columns:
        return columns.index(str(label))
    if isinstance(label, int) and -len(columns) <= label < len(columns):
        return label % len(columns)
    near = difflib.get_close_matches(str(label), columns, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(columns)}"
    raise DataError(f"{path} has no column {str(label)!r} for data.label; {hint}")


def require_columns(path: Path, columns: Sequence[str], label: int | None) -> None:
    """Raise DataError for names that occur twice, or where no column is left beside the label."""
    if len(set(columns)) != len(columns):
        twice = next(name for i, name in enumerate(columns) if name in columns[:i])
        raise DataError(f"{path}: the column name {twice!r} occurs twice")
    if len(columns) == (label is not None):
        raise DataError(f"{path} has no column beside the label")
