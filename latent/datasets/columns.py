"""Selecting the columns of a table to read, and the column of labels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from latent.datasets.base import Wanted
from latent.errors import CommandError

_INTEGER = re.compile(r"-?[0-9]{1,6}")


@dataclass(frozen=True)
class Selection:
    """Positions of the columns to read and of the label."""

    names: tuple[str, ...]
    positions: tuple[int, ...]
    label: int | None


def select(path: Path, header: Sequence[str], wanted: Wanted, *, headless: bool = False) -> Selection:
    """Select columns by the wanted names, or all but the label; a table without names is read in its order.

    Raises CommandError for a column that is missing or there twice, and for a label that is no column.
    """
    label = _label_position(path, header, wanted)
    others = [name for at, name in enumerate(header) if at != label]
    names = wanted.columns(header)
    if names is None or (headless and len(others) == len(names)):
        names = others
    if missing := [name for name in names if name not in others]:
        raise CommandError(f"{path} lacks the column {missing[0]!r} (the model's are {', '.join(names)})")
    if twice := [name for name in names if others.count(name) > 1]:
        raise CommandError(f"{path}: the column name {twice[0]!r} occurs twice")
    if not names:
        raise CommandError(f"{path} has no column beside the label")
    at = {name: position for position, name in enumerate(header) if position != label}
    return Selection(tuple(names), tuple(at[name] for name in names), label)


def _label_position(path: Path, header: Sequence[str], wanted: Wanted) -> int | None:
    label = wanted.label
    if label is None:
        return header.index(wanted.usual_label) if wanted.usual_label in header else None
    if label in header:
        return header.index(label)
    if _INTEGER.fullmatch(label) and -len(header) <= int(label) < len(header):
        return int(label) % len(header)
    near = difflib.get_close_matches(label, header, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(header)}"
    raise CommandError(f"{path} has no column {label!r} for --label-column; {hint}")
