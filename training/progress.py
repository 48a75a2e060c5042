"""Progress of a run on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

_LOGGER = logging.getLogger(__name__)
_PLAIN_LINES = 20


class Reporter(Protocol):
    """Receives the events of a run: stages, warnings, epochs and the table of metrics."""

    def note(self, text: str) -> None:
        """Show one line about a stage."""

    def warn(self, text: str) -> None:
        """Show a warning."""

    def epoch(self, done: int, epochs: int, row: Mapping[str, float]) -> None:
        """Show that an epoch is done; `row` has loss and val_loss."""

    def table(self, title: str, rows: Mapping[str, tuple[float | None, float | None]]) -> None:
        """Show the model's metrics beside PCA's."""


class Silent:
    """Reporter that shows nothing; warnings go to the log."""

    def note(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Log the warning with this package's logger."""
        _LOGGER.warning(text)

    def epoch(self, done: int, epochs: int, row: Mapping[str, float]) -> None:
        """Nothing."""

    def table(self, title: str, rows: Mapping[str, tuple[float | None, float | None]]) -> None:
        """Nothing."""


class Lines:
    """Reporter that prints plain lines: about twenty a run, the last epoch included."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._first: int | None = None

    def note(self, text: str) -> None:
        """Print the line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print the line, marked as a warning."""
        self.note(f"warning: {text}")

    def epoch(self, done: int, epochs: int, row: Mapping[str, float]) -> None:
        """Print some of the epochs, with the estimated time left."""
        if self._first is None:
            self._first, self._started = done, time.monotonic()
        every = max(1, epochs // _PLAIN_LINES)
        if done % every == 0 or done == epochs:
            left = ""
            if done > self._first:
                pace_s = (time.monotonic() - self._started) / (done - self._first)
                left = f"  {pace_s * (epochs - done):.0f} s left"
            self.note(f"epoch {done}/{epochs}  {_losses(row)}{left}")

    def table(self, title: str, rows: Mapping[str, tuple[float | None, float | None]]) -> None:
        """Print the table, never cut to the width of a terminal."""
        self._console.print(metrics_table(title, rows), soft_wrap=True)


class Bar(Lines):
    """Reporter with a progress bar; it prints notes, warnings and tables as `Lines` does."""

    def __init__(self, console: Console, bar: Progress) -> None:
        super().__init__(console)
        self._bar = bar
        self._task = bar.add_task("training", total=None, losses="", visible=False)

    def epoch(self, done: int, epochs: int, row: Mapping[str, float]) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=epochs, losses=_losses(row), visible=True)


@contextmanager
def reporter(*, progress: bool) -> Iterator[Reporter]:
    """Choose the reporter that fits standard error, in a `with` block around the run."""
    if not progress:
        yield Silent()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("epoch", table_column=Column(no_wrap=True)),
        MofNCompleteColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[losses]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(),
        TextColumn("left", table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=console) as bar:
        yield Bar(console, bar)


def metrics_table(title: str, rows: Mapping[str, tuple[float | None, float | None]]) -> Table:
    """Make a table of rows (model, PCA); None if one of them has no such figure."""
    table = Table(title=title)
    table.add_column("on the test split")
    table.add_column("model", justify="right")
    table.add_column("PCA", justify="right")
    for name, values in rows.items():
        table.add_row(name, *("–" if value is None else f"{value:.5g}" for value in values))
    return table


def _losses(row: Mapping[str, float]) -> str:
    return f"loss {row['loss']:.4g}  val {row['val_loss']:.4g}"
