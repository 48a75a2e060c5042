"""Breaks down the time of one request: the server's own parts, the rest, and what each optimization saves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import FORMATS, MEDIA_TYPES, Case
from benchmarks.serving.children import Child
from benchmarks.serving.cpus import on
from benchmarks.serving.figures import number, spread
from benchmarks.serving.in_process import MEASURES
from benchmarks.serving.models import DENSE, NAMES
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.servers import constant

_PARTS = ("parse", "queue", "infer", "render", "rest", "whole")
_SECONDS = 0.2
_TURN_S = 0.15
"""Seconds of a round when optimizations are left out one by one."""


def measure(bench: Bench) -> Outcome:
    """Measure inside the process; over a socket, beside a constant; and without each optimization in turn."""
    cases = [Case(model, "encode", body, images, 64) for model in NAMES for body in FORMATS for images in (1, 64)]
    figures: dict[str, list[float]] = {}
    for model in NAMES:
        bench.tell(f"breakdown: {model}")
        figures |= _in_process(bench, model, [case for case in cases if case.model == model])
    figures |= _over_http(bench, [case for case in cases if case.images == 1])
    dense = [case for case in cases if case.model == DENSE and case.images == 1]
    bench.tell("breakdown: without one measure after the other")
    figures |= _without_each(bench, dense)
    return Outcome(
        tables=[_requests(figures, cases), _kernel(figures, cases), _measures(figures, dense)],
        figures=figures,
        notes=[
            (
                "One request, µs: one encode where nothing else is under way. Its parts are those of Server-Timing;"
                " the rest is HTTP, negotiation, ids, limits, metrics and the log line. Of 64 at once: CPU of one in 64"
                " that are under way at the same time, whose engine calls are shared."
            ),
            (
                "Beside the kernel: CPU a request of 64 on as many connections, read from a socket and written to it;"
                " the constant's is what HTTP and sockets cost whoever answers."
            ),
            (
                "What each measure saves: CPU of one request in 64, in the process; each line goes without one measure"
                " and has all the others. Processes with and without take turns, and what a measure saves is the median"
                " of the turns' differences, the least and the most in brackets: where these have different signs, it"
                " is lost in the noise."
            ),
        ],
    )


def _requests(figures: dict[str, list[float]], cases: Sequence[Case]) -> Table:
    headings = ["model, body, images", "parse", "queue", "engine", "render", "the rest", "whole", "of 64 at once"]
    rows = []
    for case in cases:
        name = f"breakdown/everything/{case.name}"
        parts = [spread(figures[f"{name}/{part}_us"]).median for part in (*_PARTS, "cpu")]
        rows.append([f"{case.model}, {case.format}, {case.images}", *(number(us) for us in parts)])
    return Table(title="One request, µs", headings=headings, rows=rows)


def _kernel(figures: dict[str, list[float]], cases: Sequence[Case]) -> Table:
    rows = []
    for case in (one for one in cases if one.images == 1):
        inside, http, limit = (
            spread(figures[name]).median
            for name in (
                f"breakdown/everything/{case.name}/cpu_us",
                f"breakdown/{case.name}/http_us",
                f"breakdown/{case.name}/constant_us",
            )
        )
        rows.append([f"{case.model}, {case.format}", number(inside), number(http), number(limit)])
    headings = ["model, body", "in the process, µs", "over a socket, µs", "ASGI constant, µs"]
    return Table(title="Beside the kernel", headings=headings, rows=rows)


def _measures(figures: dict[str, list[float]], cases: Sequence[Case]) -> Table:
    rows = []
    for without, text in MEASURES.items():
        cells = [text]
        for case in cases:
            us = figures[_figure(without, case)]
            saved = [one - whole for one, whole in zip(us, figures[_figure("everything", case)], strict=True)]
            cells += [number(spread(us).median), "" if without == "everything" else str(spread(saved))]
        rows.append(cells)
    headings = [""] + [text for case in cases for text in (f"{case.format}, µs", "saves")]
    return Table(title="What each measure saves", headings=headings, rows=rows)


def _figure(without: str, case: Case) -> str:
    return f"breakdown/without/{without}/{case.name}/cpu_us"


def _in_process(bench: Bench, model: str, cases: Sequence[Case]) -> dict[str, list[float]]:
    """Measure requests inside the process with all optimizations, one at a time and many at once."""
    figures: dict[str, list[float]] = {}
    with _started(bench, model, cases, _SECONDS) as child:
        for _ in range(bench.rounds):
            for name, found in child.ask().items():
                for part, us in found.items():
                    figures.setdefault(f"breakdown/everything/{name}/{part}", []).append(us)
    return figures


def _without_each(bench: Bench, cases: Sequence[Case]) -> dict[str, list[float]]:
    """Measure the requests in processes that each lack one optimization, in turns."""
    figures: dict[str, list[float]] = {}
    with ExitStack() as stack:
        children = {
            without: stack.enter_context(_started(bench, DENSE, cases, _TURN_S, without, alone=False))
            for without in MEASURES
        }
        for _ in range(bench.rounds):
            for without, child in children.items():
                found = child.ask()
                for case in cases:
                    figures.setdefault(_figure(without, case), []).append(found[case.name]["cpu_us"])
    return figures


def _started(
    bench: Bench,
    model: str,
    cases: Sequence[Case],
    seconds: float,
    without: str = "everything",
    *,
    alone: bool = True,
) -> Child:
    made, requests = bench.models[model], {}
    for case in cases:
        file = bench.scratch / f"{case.name.replace('/', '-')}.body"
        file.write_bytes(made.items.body(case))
        requests[case.name] = {"path": f"/{case.verb}", "file": str(file), "media_type": MEDIA_TYPES[case.format]}
    task = {
        "store": str(made.store),
        "requests": requests,
        "seconds": seconds / 4 if bench.quick else seconds,
        "without": without,
        "alone": alone,
    }
    with on(bench.cpus.server):
        return Child("benchmarks.serving.in_process", json.dumps(task))


def _over_http(bench: Bench, cases: Sequence[Case]) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    with bench.serve(constant()) as limit:
        for model in NAMES:
            with bench.serve_latent(model) as server:
                for case in (one for one in cases if one.model == model):
                    bench.check(server, case)
                    for name, who in (("constant", limit), ("http", server)):
                        figures[f"breakdown/{case.name}/{name}_us"] = [bench.drive(who, case, 1).cpu_us]
    return figures
