"""Soak a service of its own, and hold it to its bounds.

    python -m tests.soak [--minutes 20] [--workers 2] [--connections 12] [--seed 1] [--max-gap-s 2]

Good, bad, slow and broken-off requests, versions that are swapped and removed, workers that are killed, and the worst
inputs that are known, all at once. The exit code is 1 where a bound is broken, and a line says which.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import FrameType

import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from latent.chaos.bounds import MAX_GAP_S
from latent.chaos.report import REQUESTS, rows_of, sentences_of, verdict
from tests.soak.bounds import unjudged
from tests.soak.processes import FIGURES, LEAST_S, History
from tests.soak.run import Plan, Result, soak

INTERRUPTED = 130
_EVERY_S = 10.0
_WIDTH_OF_A_FILE = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak, print its tables, return the exit code."""
    given = _arguments(arguments)
    signal.signal(signal.SIGTERM, _end)
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_A_FILE)
    plan = Plan(
        seconds=60 * given.minutes,
        workers=given.workers,
        connections=given.connections,
        seed=given.seed,
        swap_every_s=given.swap_every_s,
        kill_every_s=given.kill_every_s,
    )
    try:
        with console.status("starting") as status:
            result = soak(plan, status.update if console.is_terminal else _now_and_then(console))
    except KeyboardInterrupt:
        console.print("interrupted: all is stopped and removed")
        return INTERRUPTED
    broken = result.broken(given.max_gap_s)
    _show(console, result)
    for said in verdict(broken):
        console.print(said, style="red" if broken else "green", highlight=False, soft_wrap=True)
    return 1 if broken else 0


def _end(number: int, _: FrameType | None) -> None:
    """Handle a signal by SystemExit, so that the service is stopped."""
    sys.exit(128 + number)


def _now_and_then(console: Console) -> Callable[[str], None]:
    """Print a line of progress every ten seconds: for output that is no terminal."""
    last = float("-inf")

    def tell(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY_S:
            last = time.monotonic()
            console.print(line, highlight=False)

    return tell


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=_positive, default=20.0, help="how long; fractions are allowed (20)")
    parser.add_argument("--workers", type=int, choices=range(1, 17), default=2, metavar="N", help="processes (2)")
    parser.add_argument("--connections", type=int, choices=range(2, 257), default=12, metavar="N", help="clients (12)")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything that is drawn (1)")
    parser.add_argument("--swap-every-s", type=_positive, default=5.0, help="seconds from version to version (5)")
    parser.add_argument("--kill-every-s", type=_positive, default=20.0, help="seconds from kill to kill (20)")
    parser.add_argument(
        "--max-gap-s", type=_positive, default=MAX_GAP_S, help=f"the longest wait for /livez ({MAX_GAP_S:g})"
    )
    return parser.parse_args(given)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _show(console: Console, result: Result) -> None:
    console.print(_table("What was sent, and what came back", REQUESTS, rows_of(result.tally)))
    headings = ("process", "seconds", "RSS MB", "threads", "descriptors", "most RSS MB")
    rows = [_row(history) for history in result.histories if history.counted_s >= LEAST_S] or [
        _row(history) for history in result.histories
    ]
    console.print(_table("Each process, first and last quarter of its life", headings, rows))
    for line in sentences_of(result.tally, result.gaps):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"{result.swaps} versions were published, {result.kills} workers were killed", highlight=False)
    for event, times in Counter(map(_event, result.log)).most_common(10):
        console.print(f"logged {times} ×: {event}", highlight=False, soft_wrap=True, style="dim")
    if (reason := unjudged(result.histories)) is not None:
        console.print(reason, style="yellow", highlight=False)


def _event(line: str) -> str:
    """What a line of the log says, without what differs from line to line."""
    try:
        found = orjson.loads(line)
        return f"{found['level']}: {found['event']}"
    except (ValueError, KeyError, TypeError):
        return line[:200]


def _row(history: History) -> list[str]:
    lived = history.samples[-1].at - history.samples[0].at
    changes = [" → ".join(f"{value:.0f}" for value in history.quarters(figure)) for figure in FIGURES]
    return [history.name, f"{lived:.0f}", *changes, f"{history.largest_rss_mb:.0f}"]


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE)
    for heading in headings:
        drawn.add_column(heading, justify="left" if heading in (headings[0], "statuses") else "right")
    for row in rows:
        drawn.add_row(*row)
    return drawn


if __name__ == "__main__":
    sys.exit(main())
