"""Measures the engine alone on the server's CPU: the cost of a request without a service."""

from __future__ import annotations

import json

from benchmarks.serving.bench import Bench
from benchmarks.serving.children import run_child
from benchmarks.serving.cpus import on
from benchmarks.serving.figures import number, spread
from benchmarks.serving.models import CONVOLUTIONAL, NAMES
from benchmarks.serving.results import Outcome, Table

HALVES = ("encoder", "decoder")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def measure(bench: Bench) -> Outcome:
    """Measure microseconds of a call and images a second, for both halves of both models, and for the half that the
    service rewrites."""
    bench.tell("engine: batch 1 to 256")
    directories = {f"{name}/{half}": str(bench.models[name].version / half) for name in NAMES for half in HALVES}
    rewritten = {f"{CONVOLUTIONAL}/decoder, rewritten": directories[f"{CONVOLUTIONAL}/decoder"]}
    task = {
        "directories": directories,
        "rewritten": rewritten,
        "batches": BATCHES,
        "rounds": bench.rounds,
        "seconds": 0.05 if bench.quick else 0.15,
    }
    with on(bench.cpus.server):
        took = run_child("benchmarks.serving.engine_alone", json.dumps(task))
    figures = {f"engine/{name}/us_per_call": values for name, values in took.items()}
    rows = []
    for name in [*directories, *rewritten]:
        calls = [spread(took[f"{name}/{batch}"]).median for batch in BATCHES]
        rows.append([name, "µs a call", *(number(us) for us in calls)])
        rows.append(["", "images/s", *(number(1e6 * batch / us) for batch, us in zip(BATCHES, calls, strict=True))])
    headings = ["", "", *(f"batch {batch}" for batch in BATCHES)]
    notes = [
        "OpenVINO in float32 on one thread, its input tensor set once: no bytes in or out, no copies.",
        "Rewritten: the same in the form that the service gives it (`service/engines/openvino_rewrite.py`).",
    ]
    return Outcome(tables=[Table(title="The engine alone", headings=headings, rows=rows)], figures=figures, notes=notes)
