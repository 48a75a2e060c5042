"""How far a run is: a bar on standard error where a person watches, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int], None]


class _Items(ProgressColumn):
    """Items that are done, of how many, and how many a second."""

    def render(self, task: Task) -> Text:
        total = f" of {int(task.total):,}" if task.total is not None else ""
        rate = f", {task.speed:,.0f} a second" if task.speed else ""
        return Text(f"{int(task.completed):,}{total} items{rate}", no_wrap=True)


@contextmanager
def bar(what: str, total: int | None, *, shown: bool) -> Iterator[Advance]:
    """A function that is told of items that are done. `total` is None where only the end tells."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield lambda _items: None
        return
    columns = (TextColumn(what), BarColumn(bar_width=24), _Items(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda items: progress.advance(task, items)
