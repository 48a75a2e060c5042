"""Output of commands: tables for people, JSON for programs.

On a terminal a table fits its width; elsewhere every name and number is printed whole.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from latent.errors import CommandError
from model_store.durable import write_durably

_ENDLESS = 100_000
"""Columns of an output that is no terminal: nothing is ever cut or wrapped."""
_ARRAYS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE

Cell = str | float | int | None


def on_terminal() -> bool:
    """Tell whether the output is a terminal."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def print_json(document: object) -> None:
    """Print a document, indented."""
    sys.stdout.write(orjson.dumps(document, option=_ARRAYS | orjson.OPT_INDENT_2).decode())


def json_bytes(document: object) -> bytes:
    """Serialise a document, arrays included, in one line: indented, each number would have its own line."""
    return orjson.dumps(document, option=_ARRAYS)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, folding: Sequence[str] = ()) -> None:
    """Print rows under headings, numbers to the right; `folding` columns wrap if a terminal is narrow."""
    listed = [list(row) for row in rows]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for at, name in enumerate(columns):
        numbers = bool(listed) and all(isinstance(row[at], int | float | None) for row in listed)
        table.add_column(
            escape(name), justify="right" if numbers else "left", overflow="fold", no_wrap=name not in folding
        )
    for row in listed:
        table.add_row(*(escape(_text(cell)) for cell in row))
    _print(table)


def print_pairs(pairs: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values, one pair a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold" if on_terminal() else None)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(escape(name), escape(_text(value)))
    _print(table)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step: on an error the old one stays. Raises CommandError."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a device or a pipe, which a rename would replace
        else:
            write_durably(path, data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror or error})") from error


def _print(table: Table) -> None:
    if on_terminal():
        Console(highlight=False).print(table)
        return
    whole = Console(width=_ENDLESS, highlight=False, file=io.StringIO())
    with whole.capture() as printed:
        whole.print(table)
    for line in printed.get().splitlines():
        say(line.rstrip())


def _text(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.4g}" if on_terminal() else repr(cell)
    return str(cell)
