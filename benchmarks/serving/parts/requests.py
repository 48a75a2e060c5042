"""Measures the main table: every server with every case, in turns."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from rich.progress import track

from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import FORMATS, LOADS, VERBS, Case
from benchmarks.serving.children import run_child
from benchmarks.serving.cpus import on
from benchmarks.serving.figures import number, ratios, spread
from benchmarks.serving.metrics import encoder_batches
from benchmarks.serving.models import CONVOLUTIONAL, DENSE, NAMES
from benchmarks.serving.processes import Running
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.servers import CONSTANT, EMPTY, ENGINE, LATENT, NAIVE, Server, constant, empty, latent, naive

_WARM_REQUESTS = 3
_ENGINE_S = 0.3
_BESIDE_ENGINE = (
    *(Case(model, "encode", body, 1, 64) for model in NAMES for body in FORMATS),
    Case(CONVOLUTIONAL, "encode", "npy", 64, 4),
)
"""Cases whose target refers to the engine's own time."""
_ORDER = (
    (CONVOLUTIONAL, LATENT),
    (CONVOLUTIONAL, ENGINE),
    (DENSE, LATENT),
    (DENSE, EMPTY),
    (DENSE, NAIVE),
    (DENSE, CONSTANT),
    (DENSE, ENGINE),
    (CONVOLUTIONAL, NAIVE),
)
"""The order of servers for a case: the figures of a ratio are measured one after the other, at one machine speed."""


def cases(*, quick: bool) -> list[Case]:
    """All cases, or for a quick run only the cases with a target."""
    return [
        Case(model, verb, body, images, connections)
        for model in ((DENSE,) if quick else NAMES)
        for verb in (("encode",) if quick else VERBS)
        for body in FORMATS
        for images, connections in LOADS
    ]


def seconds_of(name: str, case: Case) -> int:
    """Seconds to measure a server; longer for the naive service where one of its requests takes a second."""
    return 2 if (name, case.format, case.connections) == (NAIVE, "json", 4) and case.verb != "encode" else 1


def measure(bench: Bench) -> Outcome:
    """Measure all cases in rounds: each round gives every case to each server; the other servers are paused.

    Nothing else runs during a measurement: idle servers, which wake ten times a second, and a progress bar in a thread
    made the slowest hundredth of the answers a quarter slower.
    """
    asked = cases(quick=bench.quick)
    figures: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        servers = {
            (name, model): stack.enter_context(bench.serve(server)) for name, model, server in _servers(bench, asked)
        }
        for (name, model), server in servers.items():
            figures[f"{name}/{model}/idle_mb"].append(server.idle_mb)
        _check(bench, servers, asked, times=_WARM_REQUESTS)
        for server in servers.values():
            server.pause()
        rounds = bench.rounds * turns(asked)
        for case, name in track(rounds, "requests", console=bench.console, transient=True, auto_refresh=False):
            if name == ENGINE:
                _engine_turn(bench, case, figures)
                continue
            server = servers[name, case.model if name in (LATENT, NAIVE) else DENSE]
            server.resume()
            _turn(bench, server, case, figures)
            server.pause()
        for server in servers.values():
            server.resume()
        _check(bench, servers, asked, times=1)
        for (name, model), server in servers.items():
            figures[f"{name}/{model}/loaded_mb"].append(server.resident_mb())
    return Outcome(tables=[*_tables(asked, figures), _memory(figures)], figures=dict(figures), notes=list(_NOTES))


def turns(asked: Sequence[Case]) -> list[tuple[Case, str]]:
    """The turns of one round: pairs of a case and a server's name."""

    def without_model(case: Case) -> tuple[str, str, int, int]:
        return case.verb, case.format, case.images, case.connections

    groups = list(dict.fromkeys(without_model(case) for case in asked))
    return sorted(
        ((case, name) for case in asked for name in who(case)),
        key=lambda turn: (groups.index(without_model(turn[0])), _ORDER.index((turn[0].model, turn[1]))),
    )


_NOTES = (
    (
        "Images a second are medians of the rounds, ratios medians of each round's ratio with the least and the most in"
        " brackets. CPU is the server's own, user and system, threads and children included."
    ),
    "The naive service takes npy on routes of their own, with `np.load`, so that npy stands beside npy.",
    (
        "The empty route and the constant read no body and have no model: the body is that of dense encode. Neither"
        " they nor the naive service write access logs; Latent writes a line a request to a file."
    ),
)


def _servers(bench: Bench, asked: list[Case]) -> Iterator[tuple[str, str, Server]]:
    for model in dict.fromkeys(case.model for case in asked):
        yield LATENT, model, latent(bench.models[model].store, bench.latent)
        yield NAIVE, model, naive(bench.models[model].version)
    yield EMPTY, DENSE, empty()
    yield CONSTANT, DENSE, constant()


def who(case: Case) -> tuple[str, ...]:
    """The servers to measure with a case; empty route and engine only where a figure refers to them."""
    limits = (EMPTY, CONSTANT) if (case.model, case.verb) == (DENSE, "encode") else ()
    return (LATENT, NAIVE, *limits, *((ENGINE,) if case in _BESIDE_ENGINE else ()))


def _check(bench: Bench, servers: dict[tuple[str, str], Running], asked: list[Case], times: int) -> None:
    """Check the answers of Latent and the naive service to every body against TensorFlow's, `times` times."""
    for (name, model), server in servers.items():
        bodies = {(case.verb, case.format, case.images): case for case in asked if case.model == model}
        for case in bodies.values() if name in (LATENT, NAIVE) else ():
            for _ in range(times):
                bench.check(server, case)


def _turn(bench: Bench, server: Running, case: Case, figures: dict[str, list[float]]) -> None:
    counts_batches = server.server.name == LATENT and (case.verb, case.images) == ("encode", 1)
    before = encoder_batches(server.http.get("/metrics").text) if counts_batches else None
    drive = bench.drive(server, case, seconds_of(server.server.name, case))
    name = f"{server.server.name}/{case.name}"
    figures[f"{name}/requests_per_s"].append(drive.load.per_second)
    figures[f"{name}/p50_ms"].append(drive.load.p50_ms)
    figures[f"{name}/p99_ms"].append(drive.load.p99_ms)
    figures[f"{name}/cpu_us"].append(drive.cpu_us)
    if before is not None:
        after = encoder_batches(server.http.get("/metrics").text)
        figures[f"{name}/batch_items"].append(after.mean_since(before))


def _engine_turn(bench: Bench, case: Case, figures: dict[str, list[float]]) -> None:
    """Measure the encoder alone, at the batch size that the service formed in its last turn."""
    batch = case.images if case.images > 1 else round(figures[f"{LATENT}/{case.name}/batch_items"][-1])
    name = f"{case.model}/encoder"
    task = {
        "directories": {name: str(bench.models[case.model].version / "encoder")},
        "batches": [batch],
        "rounds": 1,
        "seconds": _ENGINE_S,
    }
    with on(bench.cpus.server):
        took = run_child("benchmarks.serving.engine_alone", json.dumps(task))
    figures[f"{ENGINE}/{case.name}/us_per_image"].append(float(took[f"{name}/{batch}"][0]) / batch)


# -- tables ------------------------------------------------------------------------------------------------


def _tables(asked: list[Case], figures: dict[str, list[float]]) -> Iterator[Table]:
    for model in dict.fromkeys(case.model for case in asked):
        rows = [_row(case, figures) for case in asked if case.model == model]
        headings = [
            "verb, body, images × connections",
            "images/s",
            "naive",
            "× naive",
            "× empty route",
            "p50 ms",
            "p99 ms",
            "naive p99 ms",
            "CPU µs a request",
            "naive CPU µs",
        ]
        yield Table(title=f"Latent, {model} model", headings=headings, rows=rows)
    limits = [
        [name, f"{case.format}, {case.images} × {case.connections}", *_alone(name, case, figures)]
        for name in (EMPTY, CONSTANT)
        for case in asked
        if name in who(case)
    ]
    limits += [
        [f"{ENGINE}, {case.model}", f"{case.format}, {case.images} × {case.connections}", *_engine(case, figures)]
        for case in asked
        if ENGINE in who(case)
    ]
    headings = ["", "body, images × connections", "images/s", "p50 ms", "p99 ms", "CPU µs a request"]
    yield Table(title="The limits", headings=headings, rows=limits)


def _row(case: Case, figures: dict[str, list[float]]) -> list[str]:
    ours, theirs = f"{LATENT}/{case.name}", f"{NAIVE}/{case.name}"
    speed, other = figures[f"{ours}/requests_per_s"], figures[f"{theirs}/requests_per_s"]
    limit = figures.get(f"{EMPTY}/{case.name}/requests_per_s")
    rate, p50, p99, cpu = _alone(LATENT, case, figures)
    naive_rate, _, naive_p99, naive_cpu = _alone(NAIVE, case, figures)
    return [
        f"{case.verb}, {case.format}, {case.images} × {case.connections}",
        rate,
        naive_rate,
        str(spread(ratios(speed, other))),
        "" if limit is None else str(spread(ratios(speed, limit))),
        p50,
        p99,
        naive_p99,
        cpu,
        naive_cpu,
    ]


def _alone(name: str, case: Case, figures: dict[str, list[float]]) -> list[str]:
    """Table cells of a server: medians of images a second, p50, p99 and CPU time."""
    rate, p50, p99, cpu = (
        spread(figures[f"{name}/{case.name}/{measure}"]).median
        for measure in ("requests_per_s", "p50_ms", "p99_ms", "cpu_us")
    )
    return [number(rate * case.images), number(p50), number(p99), number(cpu)]


def _engine(case: Case, figures: dict[str, list[float]]) -> list[str]:
    """Table cells of the engine alone, which has only a rate."""
    us = figures[f"{ENGINE}/{case.name}/us_per_image"]
    return [str(spread([1e6 / one for one in us])), "", "", number(case.images * spread(us).median)]


def _memory(figures: dict[str, list[float]]) -> Table:
    rows = [
        [*name.split("/")[:2], number(values[0]), number(figures[name.replace("idle", "loaded")][0])]
        for name, values in figures.items()
        if name.endswith("/idle_mb")
    ]
    return Table(title="Memory", headings=["", "model", "resident MB, idle", "after the load"], rows=rows)
