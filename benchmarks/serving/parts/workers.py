"""Measures throughput by the number of worker processes, and each worker's share of the work."""

from __future__ import annotations

import dataclasses
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import Case
from benchmarks.serving.children import ROOT
from benchmarks.serving.cpus import Cpus, as_list, shared_out
from benchmarks.serving.errors import BenchError
from benchmarks.serving.figures import Figures, number, ratios, spread
from benchmarks.serving.models import CONVOLUTIONAL, DENSE, NAMES
from benchmarks.serving.processes import START_S, Running, running
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.servers import latent

CASES = (
    Case(DENSE, "encode", "json", 1, 64),
    Case(DENSE, "encode", "npy", 1, 64),
    Case(CONVOLUTIONAL, "encode", "npy", 64, 4),
)
"""Cases, each with a number of connections for each worker."""
DOCS = ROOT / "docs"
CHART = "images/workers.png"
_SECONDS = 2
_POLL_S = 0.05
_GAUGES = re.compile(r"^(latent_workers|latent_ready) (\S+)$", re.MULTILINE)


def counts(cpus: int) -> list[int]:
    """Numbers of workers to measure: 1, 2, 4 … while a CPU is left for the driver; at least 1 and 2."""
    found = [1, 2]
    while found[-1] * 2 < cpus:
        found.append(found[-1] * 2)
    return found


def placings(every: frozenset[int], given: Cpus | None) -> dict[int, Cpus]:
    """The CPUs of server and driver for each number of workers; each worker has one CPU.

    With CPU lists from the command line, workers get the server's first CPUs, and 1, 2, 4 … workers are measured until
    all are used; the load comes from all of the driver's CPUs.
    """
    if given is None:
        return {workers: shared_out(every, workers) for workers in counts(len(every))}
    server = sorted(given.server)
    numbers = [2**power for power in range(len(server).bit_length())]
    return {workers: Cpus(given.every, frozenset(server[:workers]), given.driver) for workers in numbers}


def measure(bench: Bench) -> Outcome:
    """Measure every number of workers on as many CPUs, in every round."""
    figures: dict[str, list[float]] = defaultdict(list)
    placed = placings(bench.cpus.every, bench.for_workers)
    for turn in range(1 if bench.quick else 3):
        for workers, shares in placed.items():
            bench.tell(f"workers: round {turn + 1}, {workers} of them")
            for model in NAMES:
                _measure(bench, model, workers, shares, figures)
    _draw(figures, list(placed), DOCS / CHART if bench.keeps else bench.scratch / Path(CHART).name)
    tables = [_throughput(figures, list(placed)), _each(figures, list(placed)), _start(figures, list(placed))]
    return Outcome(tables=tables, figures=dict(figures), notes=_notes(placed, bench.for_workers), pictures=[CHART])


def _measure(bench: Bench, model: str, workers: int, shares: Cpus, figures: dict[str, list[float]]) -> None:
    server = latent(bench.models[model].store, bench.latent, ("--workers", str(workers)))
    threads = max(1, min(workers, len(shares.driver - shares.server)))
    with running(server, shares.server, bench.scratch) as started:
        figures[f"workers/{workers}/{model}/ready_s"].append(_until_all_answer(started, workers))
        started.settle()
        for case in (one for one in CASES if one.model == model):
            bench.check(started, case)
            crowd = dataclasses.replace(case, connections=workers * case.connections)
            processes, port = started.workers(), int(started.url.rpartition(":")[2])
            before = [_cpu_s(one) for one in processes]
            with ThreadPoolExecutor(1) as pool:
                counted = pool.submit(_connections, processes, port, after_s=_SECONDS / 2)
                load = bench.drive(started, crowd, _SECONDS, cpus=shares.driver, threads=threads).load
            used = [(_cpu_s(one) - earlier) / load.seconds for one, earlier in zip(processes, before, strict=True)]
            name = f"workers/{workers}/{case.name}"
            figures[f"{name}/images_per_s"].append(case.images * load.per_second)
            figures[f"{name}/cpus"].append(sum(used))
            busiest_first = sorted(zip(used, counted.result(), strict=True), reverse=True)
            for place, (cpus, connections) in enumerate(busiest_first, 1):
                figures[f"{name}/worker/{place}/cpus"].append(cpus)
                figures[f"{name}/worker/{place}/connections"].append(connections)


def _until_all_answer(server: Running, workers: int) -> float:
    """Wait until all workers are ready; return the seconds since the service started. Raises BenchError on a timeout.

    The service itself is ready as soon as its first worker is.
    """
    started = time.perf_counter()
    while not _all_ready(server.http.get("/metrics").text, workers):
        if time.perf_counter() - started > START_S:
            raise BenchError(f"not all of {workers} workers were ready after {START_S:g} s")
        time.sleep(_POLL_S)
    return server.ready_s + time.perf_counter() - started


def _all_ready(metrics: str, workers: int) -> bool:
    """Whether /metrics shows this number of workers, all of them ready."""
    gauges = {name: float(value) for name, value in _GAUGES.findall(metrics)}
    return gauges["latent_workers"] == workers and gauges["latent_ready"] == 1


def _cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process, user and system, all threads."""
    times = process.cpu_times()
    return times.user + times.system


def _connections(processes: Sequence[psutil.Process], port: int, *, after_s: float) -> list[int]:
    """The number of open connections that each process has accepted on a port, counted in the middle of the load."""
    time.sleep(after_s)
    return [
        sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in process.net_connections("tcp"))
        for process in processes
    ]


# -- what is shown -----------------------------------------------------------------------------------------


def _named(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _throughput(figures: Figures, numbers: Sequence[int]) -> Table:
    rows = []
    for case in CASES:
        one = figures[f"workers/{numbers[0]}/{case.name}/images_per_s"]
        found = [figures[f"workers/{workers}/{case.name}/images_per_s"] for workers in numbers]
        cells = [f"{number(spread(rates).median)} ({spread(ratios(rates, one)).median:.2f} ×)" for rates in found]
        rows.append([f"{case.model}, {case.format}, {case.images} × {case.connections}", *cells])
    return Table(title="Workers", headings=["images/s", *map(_named, numbers)], rows=rows)


def _each(figures: Figures, numbers: Sequence[int]) -> Table:
    rows = []
    for case in CASES:
        for workers in numbers:
            name = f"workers/{workers}/{case.name}"
            cells = [
                ", ".join(
                    text.format(spread(figures[f"{name}/worker/{place}/{what}"]).median)
                    for place in range(1, workers + 1)
                )
                for what, text in (("cpus", "{:.2f}"), ("connections", "{:g}"))
            ]
            label = f"{case.model}, {case.format}, {case.images} × {case.connections}"
            rows.append([label, str(workers), str(spread(figures[f"{name}/cpus"])), *cells])
    headings = ["", "workers", "CPUs used", "by each, the busiest first", "connections of each"]
    return Table(title="What each worker does", headings=headings, rows=rows)


def _start(figures: Figures, numbers: Sequence[int]) -> Table:
    rows = [
        [model, *(str(spread(figures[f"workers/{workers}/{model}/ready_s"])) for workers in numbers)] for model in NAMES
    ]
    return Table(title="Until every worker answers, s", headings=["", *map(_named, numbers)], rows=rows)


def _notes(placed: dict[int, Cpus], given: Cpus | None) -> list[str]:
    notes = [
        "Images × connections: of a request, and a worker; two workers have twice the connections of one.",
        (
            "CPUs used are seconds of CPU, user and system, that the workers took for a second of the load. Connections"
            " are those that a worker holds in the middle of the load. Both are medians of the rounds."
        ),
    ]
    if given is not None:
        notes.append(
            f"N workers run on the first N of the CPUs {as_list(given.server)}, the load comes from"
            f" {as_list(given.driver)}."
        )
    crowded = [workers for workers, shares in placed.items() if shares.server & shares.driver or not shares.pinned]
    if crowded:
        notes.append(
            f"With {_named(crowded[0])} or more the load comes from the workers' own CPUs: what it takes, they lack."
        )
    return notes


def _draw(figures: Figures, numbers: list[int], path: Path) -> None:
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
