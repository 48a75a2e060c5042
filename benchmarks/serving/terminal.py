"""Prints the result tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.targets import Judgement, table

_STYLES = {True: "green", False: "red", None: "dim"}


def show(console: Console, outcome: Outcome) -> None:
    """Print the result of a part."""
    for one in outcome.tables:
        console.print(_rich(one))
    for note in outcome.notes:
        console.print(note, style="dim", highlight=False)


def show_targets(console: Console, found: Sequence[Judgement]) -> None:
    """Print the table of targets and measured values, the last table of a run."""
    drawn = _rich(table(found))
    for row, one in zip(drawn.rows, found, strict=True):
        row.style = _STYLES[one.reached]
    console.print(drawn)


def _rich(one: Table) -> RichTable:
    drawn = RichTable(title=one.title, title_justify="left", box=box.SIMPLE)
    for index, heading in enumerate(one.headings):
        drawn.add_column(heading, justify="left" if index == 0 else "right")
    for row in one.rows:
        drawn.add_row(*row)
    return drawn
