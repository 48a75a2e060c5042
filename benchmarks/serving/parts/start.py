"""Measures the start of each server: seconds to ready, seconds to the first answer, and memory while idle."""

from __future__ import annotations

import time
from collections import defaultdict

from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import Case
from benchmarks.serving.figures import spread
from benchmarks.serving.models import CONVOLUTIONAL, DENSE
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.servers import LATENT, NAIVE, empty, latent, naive

_MEASURES = ("ready_s", "first_answer_s", "resident_mb")


def measure(bench: Bench) -> Outcome:
    """Start each server several times; the first answer is a checked encode of one image."""
    figures: dict[str, list[float]] = defaultdict(list)
    servers = [
        (DENSE, latent(bench.models[DENSE].store, bench.latent)),
        (CONVOLUTIONAL, latent(bench.models[CONVOLUTIONAL].store, bench.latent)),
        (DENSE, naive(bench.models[DENSE].version)),
        (DENSE, empty()),
    ]
    for turn in range(bench.rounds):
        bench.tell(f"start: round {turn + 1} of {bench.rounds}")
        for model, server in servers:
            with bench.serve(server) as started:
                asked = time.perf_counter()
                if server.name in (LATENT, NAIVE):
                    bench.check(started, Case(model, "encode", "json", 1, 1))
                else:
                    started.http.post("/encode").raise_for_status()
                first_s = started.ready_s + time.perf_counter() - asked
                name = f"start/{server.name}/{model}"
                figures[f"{name}/ready_s"].append(started.ready_s)
                figures[f"{name}/first_answer_s"].append(first_s)
                figures[f"{name}/resident_mb"].append(started.idle_mb)
    rows = [
        [server.name, model, *(str(spread(figures[f"start/{server.name}/{model}/{what}"])) for what in _MEASURES)]
        for model, server in servers
    ]
    headings = ["", "model", "ready, s", "first answer, s", "resident while idle, MB"]
    return Outcome(tables=[Table(title="Start and memory", headings=headings, rows=rows)], figures=dict(figures))
