"""Measure Latent on this machine, beside a naive service, an empty route and the engine alone.

    python -m benchmarks.serving [--quick] [--only PART…] [--write] [--latent PATH]
    python -m benchmarks.serving --only workers --server-cpus 0-7 --driver-cpus 8-15

Servers run on one CPU; the load comes from the other CPUs. Servers that are compared are measured in turns, so compare
ratios. A whole run takes under 20 minutes, and writes docs/performance.json and the part of docs/performance.md between
its marks. A quick run takes a minute. A quick run, and a run of chosen parts, only write .bench/results.json. If a part
cannot be measured, for example because a tool is missing, the page keeps its old results. The models are trained by the
first run and kept in .bench/. The exit code is 1 if a part could not be measured, 2 if none could.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from benchmarks.serving import cpus
from benchmarks.serving.bench import Bench
from benchmarks.serving.chart import CHART, draw
from benchmarks.serving.children import ROOT
from benchmarks.serving.errors import BenchError
from benchmarks.serving.machine import describe
from benchmarks.serving.models import are_made, prepare
from benchmarks.serving.page import write_page
from benchmarks.serving.parts import PARTS, QUICK, measure
from benchmarks.serving.results import Measured, Results, read_results, write_results
from benchmarks.serving.servers import OWN_LATENT
from benchmarks.serving.targets import judgements
from benchmarks.serving.terminal import show, show_targets
from benchmarks.serving.wrk import require_wrk

CACHE = ROOT / ".bench"
PAGE = ROOT / "docs" / "performance.md"
KEPT = ROOT / "docs" / "performance.json"
_WIDTH_OF_A_FILE = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark: measure, print, write the results."""
    given = _arguments(arguments)
    signal.signal(signal.SIGTERM, _end)
    terminal = sys.stdout.isatty()
    console = Console() if terminal else Console(width=_WIDTH_OF_A_FILE)
    shares = cpus.shared_out(cpus.available())
    parts = given.only or (QUICK if given.quick else tuple(PARTS))
    keeps = given.write or not (given.only or given.quick)
    try:
        for_workers = cpus.given(shares.every, given.server_cpus, given.driver_cpus)
        require_wrk()
        if not are_made(CACHE):
            console.print("training the models: about a minute, once", style="dim")
        models = prepare(CACHE)
        with tempfile.TemporaryDirectory(prefix="latent-bench-") as scratch, cpus.on(shares.driver):
            if not shares.pinned:
                console.print("only one CPU: server and load share it, so the figures say little", style="yellow")
            bench = Bench(shares, models, given.latent, Path(scratch), given.quick, keeps, console, for_workers)
            results, failed = _measure(parts, bench)
        show_targets(console, judgements(results.figures()))
        if keeps and results.parts:
            kept = read_results(KEPT).with_parts(results)
            write_results(KEPT, kept)
            write_page(PAGE, kept)
            if "requests" in kept.parts:
                draw(kept.figures(), CHART)
        write_results(CACHE / "results.json", results)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    for line in failed:
        print(f"bench: {line}", file=sys.stderr)
    return 1 if failed else 0


def _end(number: int, _: FrameType | None) -> None:
    """Handle a signal by SystemExit, so that servers are stopped; a paused server would stay for ever."""
    sys.exit(128 + number)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    known = "\n".join(f"  {name:10} {what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        epilog=f"parts:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help=f"one round of {' and '.join(QUICK)}: a minute")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), metavar="PART", help="measure these alone")
    parser.add_argument("--write", action="store_true", help="put a choice of parts into docs/performance.* too")
    parser.add_argument(
        "--latent",
        type=lambda path: (path,),
        default=OWN_LATENT,
        metavar="PATH",
        help="the command of another environment, such as one without TensorFlow",
    )
    for who, what in (("server", "up to so many worker processes run on"), ("driver", "the load comes from")):
        parser.add_argument(
            f"--{who}-cpus", type=_cpus, metavar="CPUS", help=f"part workers: the CPUs that {what}, such as 0-7"
        )
    return parser.parse_args(given)


def _cpus(text: str) -> frozenset[int]:
    try:
        return cpus.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _measure(parts: Sequence[str], bench: Bench) -> tuple[Results, list[str]]:
    """Measure parts; return their results, and one line for each part that failed."""
    machine, results, failed = describe(bench.cpus), Results(), []
    for part in parts:
        bench.tell(f"{part}: {PARTS[part]}")
        started = time.perf_counter()
        try:
            outcome = measure(part, bench)
        except BenchError as error:
            failed.append(f"{part}: {error}")
            bench.console.print(failed[-1], style="red", highlight=False)
            continue
        show(bench.console, outcome)
        bench.tell(f"{part}: {(time.perf_counter() - started) / 60:.1f} minutes")
        results = results.with_parts(
            Results(parts={part: Measured(machine=machine, quick=bench.quick, outcome=outcome)})
        )
    return results, failed


if __name__ == "__main__":
    sys.exit(main())
