"""Throughput against the number of worker processes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import Case
from benchmarks.serving.children import ROOT
from benchmarks.serving.cpus import shared_out
from benchmarks.serving.figures import number, ratios, spread
from benchmarks.serving.models import CONVOLUTIONAL, DENSE
from benchmarks.serving.processes import running
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.servers import latent

CASES = (
    Case(DENSE, "encode", "json", 1, 64),
    Case(DENSE, "encode", "npy", 1, 64),
    Case(CONVOLUTIONAL, "encode", "npy", 64, 4),
)
DOCS = ROOT / "docs"
CHART = "images/workers.png"


def counts(cpus: int) -> list[int]:
    """1, 2, 4 … as long as the driver keeps a CPU; 1 and 2 at least."""
    found = [1, 2]
    while found[-1] * 2 < cpus:
        found.append(found[-1] * 2)
    return found


def measure(bench: Bench) -> Outcome:
    """Every count on as many CPUs as it has workers, round after round."""
    figures: dict[str, list[float]] = defaultdict(list)
    numbers = counts(len(bench.cpus.every))
    crowded = [workers for workers in numbers if not shared_out(bench.cpus.every, workers).pinned]
    for turn in range(1 if bench.quick else 3):
        for workers in numbers:
            bench.tell(f"workers: round {turn + 1}, {workers} of them")
            for model in (DENSE, CONVOLUTIONAL):
                _measure(bench, model, workers, figures)
    rows = []
    for case in CASES:
        one = figures[f"workers/1/{case.name}/images_per_s"]
        found = [figures[f"workers/{workers}/{case.name}/images_per_s"] for workers in numbers]
        cells = [f"{number(spread(rates).median)} ({spread(ratios(rates, one)).median:.2f} ×)" for rates in found]
        rows.append([f"{case.model}, {case.format}, {case.images} × {case.connections}", *cells])
    headings = ["images/s", *(f"{workers} workers" if workers > 1 else "1 worker" for workers in numbers)]
    notes = []
    if crowded:
        notes = [
            f"With {crowded[0]} workers or more the driver has no CPU of its own: it takes from theirs what it needs."
        ]
    _draw(figures, numbers, DOCS / CHART if bench.keeps else bench.scratch / Path(CHART).name)
    tables = [Table(title="Workers", headings=headings, rows=rows)]
    return Outcome(tables=tables, figures=dict(figures), notes=notes, pictures=[CHART])


def _measure(bench: Bench, model: str, workers: int, figures: dict[str, list[float]]) -> None:
    shares = shared_out(bench.cpus.every, workers)
    server = latent(bench.models[model].store, bench.latent, ("--workers", str(workers)))
    with running(server, shares.server, bench.scratch) as started:
        for case in (one for one in CASES if one.model == model):
            bench.check(started, case)
            load = bench.drive(started, case, 1, cpus=shares.driver).load
            figures[f"workers/{workers}/{case.name}/images_per_s"].append(case.images * load.per_second)


def _draw(figures: dict[str, list[float]], numbers: list[int], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(5.0, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(numbers, numbers, color="0.6", linestyle="--", label="as many times as there are workers")
        for case in CASES:
            one = figures[f"workers/1/{case.name}/images_per_s"]
            found = [spread(ratios(figures[f"workers/{count}/{case.name}/images_per_s"], one)) for count in numbers]
            medians = [each.median for each in found]
            bars = [[each.median - each.least for each in found], [each.most - each.median for each in found]]
            label = f"{case.model}, {case.format}, {case.images} a request"
            axes.errorbar(numbers, medians, yerr=bars, marker="o", capsize=3, label=label)
        axes.set(xlabel="worker processes", ylabel="images a second, × one worker's", xticks=numbers, ylim=(0.0, None))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        figure.savefig(path, dpi=150)
