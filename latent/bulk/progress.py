"""Progress of a bulk run: a bar on standard error if that is a terminal, else nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int], None]


class _Items(ProgressColumn):
    """Column of the bar: items done, items in all, and items a second."""

    def render(self, task: Task) -> Text:
        total = f" of {int(task.total):,}" if task.total is not None else ""
        rate = f", {task.speed:,.0f} a second" if task.speed else ""
        return Text(f"{int(task.completed):,}{total} items{rate}", no_wrap=True)


@contextmanager
def bar(what: str, total: int | None, *, shown: bool) -> Iterator[Advance]:
    """Show a bar in a `with` block; yields a function to call with items done. `total` is None if unknown."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield lambda _items: None
        return
    columns = (TextColumn(what), BarColumn(bar_width=24), _Items(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda items: progress.advance(task, items)
