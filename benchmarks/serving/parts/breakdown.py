"""One request's microseconds: what the application says of itself, what it adds, and what HTTP adds to that."""

from __future__ import annotations

import json

from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import FORMATS, MEDIA_TYPES, Case
from benchmarks.serving.children import run_child
from benchmarks.serving.cpus import on
from benchmarks.serving.figures import number, spread
from benchmarks.serving.models import NAMES
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.servers import constant

_PARTS = ("parse", "queue", "infer", "render", "rest", "whole")


def measure(bench: Bench) -> Outcome:
    """In the process alone; then over a socket, beside a constant."""
    cases = [Case(model, "encode", body, images, 1) for model in NAMES for body in FORMATS for images in (1, 64)]
    figures: dict[str, list[float]] = {}
    for model in NAMES:
        bench.tell(f"breakdown: {model}")
        figures |= _in_process(bench, [case for case in cases if case.model == model])
    figures |= _over_http(bench, cases)
    rows = []
    for case in cases:
        parts = [spread(figures[f"breakdown/{case.name}/{part}_us"]).median for part in (*_PARTS, "constant", "http")]
        rows.append([f"{case.model}, {case.format}, {case.images}", *(number(us) for us in parts)])
    headings = [
        "model, body, images",
        "parse",
        "queue",
        "engine",
        "render",
        "the rest",
        "whole, no socket",
        "ASGI constant, CPU",
        "Latent over HTTP, CPU",
    ]
    notes = [
        (
            "Microseconds of one encode where nothing else is under way: parts as in Server-Timing, the rest being"
            " routing, negotiation, ids, metrics and the log line; `queue` is the way to the engine and back. The last"
            " two columns are CPU a request on one connection, the body the same: the first of them is what HTTP and"
            " sockets cost."
        )
    ]
    return Outcome(tables=[Table(title="One request, µs", headings=headings, rows=rows)], figures=figures, notes=notes)


def _in_process(bench: Bench, cases: list[Case]) -> dict[str, list[float]]:
    model = bench.models[cases[0].model]
    bodies = {}
    for case in cases:
        file = bench.scratch / f"{case.name.replace('/', '-')}.body"
        file.write_bytes(model.items.body(case))
        bodies[case.name] = {"path": f"/{case.verb}", "file": str(file), "media_type": MEDIA_TYPES[case.format]}
    task = {
        "store": str(model.store),
        "bodies": bodies,
        "rounds": bench.rounds,
        "seconds": 0.3 if bench.quick else 0.5,
    }
    with on(bench.cpus.server):
        found = run_child("benchmarks.serving.in_process", json.dumps(task))
    return {f"breakdown/{name}/{part}_us": found[name][part] for name in bodies for part in _PARTS}


def _over_http(bench: Bench, cases: list[Case]) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    with bench.serve(constant()) as limit:
        for model in NAMES:
            with bench.serve_latent(model) as server:
                for case in (one for one in cases if one.model == model):
                    bench.check(server, case)
                    for name, who in (("constant", limit), ("http", server)):
                        figures[f"breakdown/{case.name}/{name}_us"] = [bench.drive(who, case, 1).cpu_us]
    return figures
