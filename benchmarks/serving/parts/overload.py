"""More requests than can be answered: what is still answered, how the rest are refused, how soon it is over.

An open loop of one-image JSON, each request with a deadline. First the peak (a closed loop at c = 64) and what an
answer and a refusal cost; then 1.5 and 4 times the peak, each followed by half of it, without a break.
"""

from __future__ import annotations

import dataclasses
import resource
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving import open_loop
from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import Case
from benchmarks.serving.errors import BenchError
from benchmarks.serving.figures import number, spread
from benchmarks.serving.models import DENSE
from benchmarks.serving.open_loop import Arrivals, Phase
from benchmarks.serving.processes import Running
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.targets import bound_at
from benchmarks.serving.wrk import Shot, drive

DEADLINE_S = 1.0
LOADS = (1.5, 4.0)
_CASE = Case(DENSE, "encode", "json", 1, 64)
_AFTERWARDS = 0.5
"""Of the peak."""
_AFTERWARDS_S = 5.0
_SETTLING_S = 1.0
"""Left out of the goodput: the queue fills."""
_MOST_CONNECTIONS = 8000
_OWN_FILES = 200
_LEAST_REFUSED = 0.5
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Cost:
    """CPU microseconds of the server."""

    answer_us: float
    refusal_us: float

    @property
    def ratio(self) -> float:
        """ρ: a refusal's over an answer's."""
        return self.refusal_us / self.answer_us


@dataclass(frozen=True)
class Overload:
    """What became of the requests at one load."""

    load: float
    offered_per_s: float
    sent_per_s: float
    """While the load was on."""
    goodput_per_s: float
    """Answers 200 within their deadline, a second."""
    late: int
    """Answers 200 that took longer than the deadline, from the moment they were sent."""
    refused: int
    other: int
    """Of those that were sent: neither 200 nor 503 with Retry-After."""
    unsent: int
    """Found no free connection before their deadline."""
    p50_ms: float
    p99_ms: float
    """Of the answers 200, from the moment they were sent."""
    refusal_p99_ms: float
    """Of the 503s, likewise."""
    waited_p99_ms: float
    """Between the moment that a request was due and that in which it was sent."""
    recovery_s: float
    """After the load has fallen: until the last request that was not answered 200 within its deadline.

    All of the time watched where requests failed until its end.
    """
    resident_mb: float


def measure(bench: Bench) -> Outcome:
    """Peak, costs, then each overload with its recovery."""
    seconds = 3.0 if bench.quick else 8.0
    connections = _connections()
    model = bench.models[DENSE]
    with bench.serve_latent(DENSE) as server:
        bench.check(server, _CASE)
        runs = [bench.drive(server, _CASE, 1 if bench.quick else 2) for _ in range(3)]
        peak = spread([run.load.per_second for run in runs]).median
        answer_us = spread([run.cpu_us for run in runs]).median
        cost = Cost(answer_us, refusal_us(bench))
        shot = server.server.shot(_CASE, model.items)
        shot = dataclasses.replace(shot, headers={**shot.headers, "X-Request-Timeout": f"{DEADLINE_S:g}"})
        found = []
        for load in LOADS:
            bench.tell(f"overload: {load:g} × {peak:,.0f} requests a second")
            found.append(overload(server, shot, load, peak, seconds, connections))
        bench.check(server, _CASE)
    return Outcome(tables=[_table(found, peak, cost)], figures=_figures(found, peak, cost), notes=_notes(peak, cost))


def refusal_us(bench: Bench) -> float:
    """CPU microseconds of a 503: a service whose queue holds one item is asked by 64 connections at once.

    The few that it answers are answered one by one, so they are taken off at what an answer costs on one connection.
    Raises BenchError where less than half are refused.
    """
    seconds = 1 if bench.quick else 3
    with bench.serve_latent(DENSE, queue_items=1) as server:
        alone = bench.drive(server, dataclasses.replace(_CASE, connections=1), seconds)
        shot = server.server.shot(_CASE, bench.models[DENSE].items)
        before = server.cpu_s()
        load = drive(server.url, shot, connections=_CASE.connections, seconds=seconds)
        cpu_us = 1e6 * (server.cpu_s() - before)
    if load.socket_errors:
        raise BenchError(f"refusing lost {load.socket_errors} connections")
    if load.refused < _LEAST_REFUSED * load.requests:
        raise BenchError(f"only {load.refused} of {load.requests} requests were refused by a queue of one item")
    return (cpu_us - alone.cpu_us * (load.requests - load.refused)) / load.refused


def overload(server: Running, shot: Shot, load: float, peak: float, seconds: float, connections: int) -> Overload:
    """Offer `load` times the peak for so long, and half the peak afterwards."""
    phases = [Phase(load * peak, seconds), Phase(_AFTERWARDS * peak, _AFTERWARDS_S)]
    arrivals = open_loop.run(
        server.url, shot, phases, connections=connections, wait_s=DEADLINE_S, patience_s=_PATIENCE_S
    )
    return judged(arrivals, load, seconds, server.resident_mb())


def judged(arrivals: Arrivals, load: float, seconds: float, resident_mb: float) -> Overload:
    """What the arrivals of an overload of so many seconds, and of what followed it, came to."""
    during, after = arrivals.between(0.0, seconds), arrivals.between(seconds, np.inf)
    sent = np.isfinite(during.sent_s)
    took_s = np.where(sent, during.answered_s, np.inf) - np.where(sent, during.sent_s, 0.0)
    good = during.status == 200
    refused = (during.status == 503) & during.retry_after
    in_time = good & (took_s <= DEADLINE_S)
    counted = in_time & (during.answered_s >= _SETTLING_S) & (during.answered_s < seconds)
    failed = (after.status != 200) | (after.answered_s > after.sent_s + DEADLINE_S)
    return Overload(
        load=load,
        offered_per_s=len(during.due_s) / seconds,
        sent_per_s=int((arrivals.sent_s < seconds).sum()) / seconds,
        goodput_per_s=counted.sum() / (seconds - _SETTLING_S),
        late=int((good & ~in_time).sum()),
        refused=int(refused.sum()),
        other=int((sent & ~good & ~refused).sum()),
        unsent=int((~sent).sum()),
        p50_ms=_percentile_ms(took_s[good], 50),
        p99_ms=_percentile_ms(took_s[good], 99),
        refusal_p99_ms=_percentile_ms(took_s[refused], 99),
        waited_p99_ms=_percentile_ms(during.sent_s - during.due_s, 99),
        recovery_s=float(after.due_s[failed].max() - seconds) if failed.any() else 0.0,
        resident_mb=resident_mb,
    )


def _percentile_ms(seconds: NDArray[np.float64], percent: float) -> float:
    finite = seconds[np.isfinite(seconds)]
    return 1e3 * float(np.percentile(finite, percent)) if len(finite) else 0.0


def _connections() -> int:
    """As many as the limits of this process, and of the server that inherits them, allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OWN_FILES
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit - _OWN_FILES


def _figures(found: list[Overload], peak: float, cost: Cost) -> dict[str, list[float]]:
    figures = {
        "overload/peak_per_s": [peak],
        "overload/answer_us": [cost.answer_us],
        "overload/refusal_us": [cost.refusal_us],
        "overload/refusal_cost": [cost.ratio],
    }
    for one in found:
        values = dataclasses.asdict(one)
        load = values.pop("load")
        figures |= {f"overload/{load:g}/{name}": [float(value)] for name, value in values.items()}
        figures[f"overload/{load:g}/goodput_share"] = [one.goodput_per_s / peak]
        figures[f"overload/{load:g}/sent_share"] = [one.sent_per_s / peak]
    return figures


def _notes(peak: float, cost: Cost) -> list[str]:
    return [
        (
            f"The peak is {peak:,.0f} requests a second (closed loop, c = 64). An answer costs {number(cost.answer_us)}"
            f" µs of CPU, a refusal {number(cost.refusal_us)}: ρ = {cost.ratio:.2f}. What refusing leaves where L times"
            f" the peak are sent is (1 - Lρ) / (1 - ρ). Deadline of every request: {DEADLINE_S:g} s. Latencies count"
            " from the moment that a request was sent; between when it was due and when it was sent it waited for a"
            " free connection, or for a generator that could not keep up; after its deadline it was not sent any more."
        )
    ]


def _table(found: list[Overload], peak: float, cost: Cost) -> Table:
    headings = [
        "load",
        "offered/s",
        "sent/s",
        "goodput/s",
        "of the peak",
        "refusing leaves",
        "p50 ms",
        "p99 ms",
        "late",
        "503s",
        "503 p99 ms",
        "other",
        "never sent",
        "waited p99 ms",
        "recovered after s",
        "resident MB",
    ]
    rows = [
        [
            f"{one.load:g} ×",
            number(one.offered_per_s),
            number(one.sent_per_s),
            number(one.goodput_per_s),
            f"{one.goodput_per_s / peak:.2f}",
            f"{bound_at(one.sent_per_s / peak, cost.ratio):.2f}",
            number(one.p50_ms),
            number(one.p99_ms),
            str(one.late),
            str(one.refused),
            number(one.refusal_p99_ms),
            str(one.other),
            str(one.unsent),
            number(one.waited_p99_ms),
            number(one.recovery_s),
            number(one.resident_mb),
        ]
        for one in found
    ]
    return Table(title="Overload, one-image JSON", headings=headings, rows=rows)
