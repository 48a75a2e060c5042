"""Measures overload: goodput, the time of refusals, and the recovery afterwards.

An open loop sends JSON requests with one image and a deadline. Every round measures the costs of an answer and of a
refusal; then it offers 1.5 × the peak, 4 ×, and 1.5 × again, each followed without a break by half the peak. The peak
(wrk's closed loop at c = 64) is measured before and after each load, because the machine's speed changes with time. A
closed loop of the generator is measured too: it never sleeps, so waking it costs the server nothing.
"""

from __future__ import annotations

import dataclasses
import resource
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from benchmarks.serving import open_loop
from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import Case
from benchmarks.serving.errors import BenchError
from benchmarks.serving.figures import Figures, number, spread
from benchmarks.serving.models import DENSE
from benchmarks.serving.open_loop import Arrivals, Phase
from benchmarks.serving.processes import Running
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.targets import bound_at
from benchmarks.serving.wrk import Shot
from model_store.arrays import Float64

DEADLINE_S = 1.0
LOADS = (1.5, 4.0)
_RUNS = (1.5, 4.0, 1.5)
"""The loads of a round, as multiples of the peak. The result of a load just above the peak depends most on the
machine's speed, so it is measured twice."""
_CASE = Case(DENSE, "encode", "json", 1, 64)
_AFTERWARDS = 0.5
"""The load after an overload, as a share of the peak."""
_AFTERWARDS_S = 2.2
_SECONDS = 2.5
_PEAK_S, _UNWOKEN_S = 1, 0.7
_REFUSING_S = 1.0
_REFUSALS = 2.0
"""Number of requests for measuring a refusal's cost, as a multiple of the peak's requests in a second."""
_SETTLING_S = 0.5
"""Seconds at the start of a load that do not count for goodput, because the queue fills."""
_MOST_CONNECTIONS = 8000
_OWN_FILES = 200
_LEAST_REFUSED = 0.5
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Cost:
    """CPU microseconds of the server for an answer and for a refusal."""

    answer_us: float
    refusal_us: float

    @property
    def ratio(self) -> float:
        """ρ: the cost of a refusal divided by the cost of an answer."""
        return self.refusal_us / self.answer_us


@dataclass(frozen=True)
class Peak:
    """The results of a closed loop at c = 64."""

    per_second: float
    """Requests a second, measured by wrk."""
    unwoken_per_s: float
    """Requests a second, measured by the open loop's generator, which never sleeps."""
    answer_us: float
    """CPU microseconds of the server for an answer, measured with the generator."""


@dataclass(frozen=True)
class Overload:
    """The results of the requests at one load."""

    offered_per_s: float
    sent_per_s: float
    """Requests sent a second during the load."""
    goodput_per_s: float
    """Answers with 200 within their deadline, a second."""
    refused_per_s: float
    """Refusals a second during the load."""
    late: int
    """Number of answers with 200 that took longer than the deadline, counted from sending."""
    refused: int
    other: int
    """Number of sent requests answered neither with 200 nor with 503 and Retry-After."""
    unsent: int
    """Number of requests that found no free connection before their deadline."""
    p50_ms: float
    p99_ms: float
    """Latency of answers with 200, counted from sending."""
    refusal_p99_ms: float
    """Latency of answers with 503, counted from sending."""
    waited_p99_ms: float
    """Time between the due time of a request and its sending."""
    recovery_s: float
    """Seconds from the load's last request to the last request that got no 200 within its deadline. The whole rest of
    the run where requests failed until its end."""
    resident_mb: float


class _Meter:
    """CPU seconds of a server between two calls."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self.cpu_s = 0.0

    def begin(self) -> None:
        """Start to count."""
        self.cpu_s = -self._server.cpu_s()

    def end(self) -> None:
        """Stop counting."""
        self.cpu_s += self._server.cpu_s()


def measure(bench: Bench) -> Outcome:
    """Measure the peak, the costs and each overload with its recovery, in every round."""
    connections = _connections()
    figures: dict[str, list[float]] = defaultdict(list)
    with bench.serve_latent(DENSE) as server, bench.serve_latent(DENSE, queue_items=1) as refusing:
        bench.check(server, _CASE)
        shot = server.server.shot(_CASE, bench.models[DENSE].items)
        shot = dataclasses.replace(shot, headers={**shot.headers, "X-Request-Timeout": f"{DEADLINE_S:g}"})
        alone_us = bench.drive(refusing, dataclasses.replace(_CASE, connections=1), 1).cpu_us
        crowded_us = figures["overload/crowded_refusal_us"]
        for turn in range(bench.rounds):
            bench.tell(f"overload: round {turn + 1} of {bench.rounds}")
            before = _peak(bench, server, shot)
            cost = Cost(before.answer_us, _refusal_us(refusing, shot, int(_REFUSALS * before.per_second), alone_us))
            figures["overload/answer_us"].append(cost.answer_us)
            figures["overload/refusal_us"].append(cost.refusal_us)
            figures["overload/refusal_cost"].append(cost.ratio)
            if not crowded_us:
                per_second = LOADS[-1] * before.per_second
                crowded_us.append(_crowded_refusal_us(refusing, shot, per_second, connections, alone_us))
            for load in _RUNS:
                found = overload(server, shot, load * before.per_second, before.per_second, connections)
                after = _peak(bench, server, shot)
                _note(figures, f"overload/{load:g}", found, cost, (before, after))
                before = after
        bench.check(server, _CASE)
    return Outcome(tables=[_table(figures)], figures=dict(figures), notes=_notes(figures))


def _peak(bench: Bench, server: Running, shot: Shot) -> Peak:
    """Measure a closed loop at c = 64 by wrk and by the generator. Raises BenchError for any status but 200."""
    per_second = bench.drive(server, _CASE, _PEAK_S).load.per_second
    arrivals, cpu_s = _saturated(server, shot, int(_UNWOKEN_S * per_second))
    server.settle()
    if (others := int((arrivals.status != 200).sum())) > 0:
        raise BenchError(f"{others} of {len(arrivals.status)} requests of a closed loop were not answered with a 200")
    n = len(arrivals.status)
    return Peak(per_second, n / float(arrivals.answered_s.max()), 1e6 * cpu_s / n)


def _refusal_us(server: Running, shot: Shot, requests: int, alone_us: float) -> float:
    """Measure the CPU microseconds of a 503: 64 connections send to a server whose queue holds one item.

    Raises BenchError where requests get no answer, or less than half are refused.
    """
    arrivals, cpu_s = _saturated(server, shot, requests)
    return _a_refusal_us(cpu_s, arrivals, alone_us)


def _saturated(server: Running, shot: Shot, requests: int) -> tuple[Arrivals, float]:
    """Send a number of requests in a closed loop over 64 connections; return the arrivals and the server's CPU
    seconds."""
    meter = _Meter(server)
    arrivals = open_loop.saturate(
        server.url,
        shot,
        requests,
        connections=_CASE.connections,
        patience_s=_PATIENCE_S,
        begin=meter.begin,
        end=meter.end,
    )
    return arrivals, meter.cpu_s


def _crowded_refusal_us(server: Running, shot: Shot, per_second: float, connections: int, alone_us: float) -> float:
    """Measure the CPU microseconds of a 503 at the rate and the number of connections of an overload."""
    meter = _Meter(server)
    arrivals = open_loop.run(
        server.url,
        shot,
        [Phase(per_second, _REFUSING_S)],
        connections=connections,
        wait_s=DEADLINE_S,
        patience_s=_PATIENCE_S,
        begin=meter.begin,
        end=meter.end,
    )
    return _a_refusal_us(meter.cpu_s, arrivals, alone_us)


def _a_refusal_us(cpu_s: float, arrivals: Arrivals, alone_us: float) -> float:
    """CPU microseconds of a refusal: the CPU time without the few answers (at their cost on one connection), divided
    by the number of refusals."""
    answered, refused = int((arrivals.status == 200).sum()), int((arrivals.status == 503).sum())
    if (lost := int(np.isfinite(arrivals.sent_s).sum()) - answered - refused) > 0:
        raise BenchError(f"refusing left {lost} of {len(arrivals.status)} requests without an answer")
    if refused < _LEAST_REFUSED * (answered + refused):
        raise BenchError(f"only {refused} of {answered + refused} requests were refused by a queue of one item")
    return (1e6 * cpu_s - alone_us * answered) / refused


def overload(server: Running, shot: Shot, per_second: float, peak: float, connections: int) -> Overload:
    """Offer a load of `per_second` requests a second, then half the peak, and judge the results."""
    phases = [Phase(per_second, _SECONDS), Phase(_AFTERWARDS * peak, _AFTERWARDS_S)]
    arrivals = open_loop.run(
        server.url, shot, phases, connections=connections, wait_s=DEADLINE_S, patience_s=_PATIENCE_S
    )
    return judged(arrivals, _SECONDS, server.resident_mb())


def judged(arrivals: Arrivals, seconds: float, resident_mb: float) -> Overload:
    """Compute the results of an overload that lasted `seconds`, and of the time after it, from its arrivals."""
    during, after = arrivals.between(0.0, seconds), arrivals.between(seconds, np.inf)
    sent = np.isfinite(during.sent_s)
    took_s = np.where(sent, during.answered_s, np.inf) - np.where(sent, during.sent_s, 0.0)
    good = during.status == 200
    refused = (during.status == 503) & during.retry_after
    in_time = good & (took_s <= DEADLINE_S)
    settled = (during.answered_s >= _SETTLING_S) & (during.answered_s < seconds)
    fell_s = max(seconds, float(during.sent_s[sent].max(initial=0.0)))
    sent_after_s = np.where(np.isfinite(after.sent_s), after.sent_s, after.due_s)
    failed = (after.status != 200) | (after.answered_s > after.sent_s + DEADLINE_S)
    return Overload(
        offered_per_s=len(during.due_s) / seconds,
        sent_per_s=int((arrivals.sent_s < seconds).sum()) / seconds,
        goodput_per_s=(in_time & settled).sum() / (seconds - _SETTLING_S),
        refused_per_s=(refused & settled).sum() / (seconds - _SETTLING_S),
        late=int((good & ~in_time).sum()),
        refused=int(refused.sum()),
        other=int((sent & ~good & ~refused).sum()),
        unsent=int((~sent).sum()),
        p50_ms=_percentile_ms(took_s[good], 50),
        p99_ms=_percentile_ms(took_s[good], 99),
        refusal_p99_ms=_percentile_ms(took_s[refused], 99),
        waited_p99_ms=_percentile_ms(during.sent_s - during.due_s, 99),
        recovery_s=max(0.0, float(sent_after_s[failed].max(initial=0.0)) - fell_s),
        resident_mb=resident_mb,
    )


def _percentile_ms(seconds: Float64, percent: float) -> float:
    finite = seconds[np.isfinite(seconds)]
    return 1e3 * float(np.percentile(finite, percent)) if len(finite) else 0.0


def _connections() -> int:
    """The highest number of connections that the limits of this process allow; the server inherits these limits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OWN_FILES
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit - _OWN_FILES


def _note(figures: dict[str, list[float]], name: str, found: Overload, cost: Cost, around: tuple[Peak, Peak]) -> None:
    peak = sum(one.per_second for one in around) / 2
    unwoken = sum(one.unwoken_per_s for one in around) / 2
    for what, value in dataclasses.asdict(found).items():
        figures[f"{name}/{what}"].append(float(value))
    figures[f"{name}/peak_per_s"].append(peak)
    figures[f"{name}/goodput_share"].append(found.goodput_per_s / peak)
    figures[f"{name}/unwoken_share"].append(found.goodput_per_s / unwoken)
    figures[f"{name}/sent_share"].append(found.sent_per_s / peak)
    figures[f"{name}/refusal_cost"].append(cost.ratio)
    cpu_us = found.goodput_per_s * cost.answer_us + found.refused_per_s * cost.refusal_us
    figures[f"{name}/accounted"].append(cpu_us / 1e6)


def _notes(figures: Figures) -> list[str]:
    return [
        (
            "The peak is that of wrk's closed loop at c = 64, the mean of before and after. The open loop's generator"
            " never sleeps, so that the server need not wake it, which costs it a tenth of an answer and no client"
            " elsewhere would: a closed loop of the generator is the stricter measure beside it."
            f" An answer costs {spread(figures['overload/answer_us'])} µs of CPU, a refusal"
            f" {spread(figures['overload/refusal_us'])}, {spread(figures['overload/crowded_refusal_us'])} with the"
            f" connections and requests of {LOADS[-1]:g} ×: ρ = {spread(figures['overload/refusal_cost'])}. What"
            " refusing leaves where L times the peak are sent is (1 - Lρ) / (1 - ρ)."
            f" Deadline of every request: {DEADLINE_S:g} s. Latencies count from the moment that a request was sent;"
            " between when it was due and when it was sent it waited for a free connection, or for a generator that"
            " could not keep up; after its deadline it was not sent any more. It has recovered when every answer is a"
            " 200 again, from when the last request of the load was sent. Counts and memory are those of the worst"
            " round, the rest is the median's. Costs account for as much of a second as the answers and refusals in it"
            " would have taken at these costs: what is missing is a machine that was slower then than while they were"
            " measured, or time that the service lost."
        )
    ]


def _table(figures: Figures) -> Table:
    headings = {
        "offered/s": "offered_per_s",
        "sent/s": "sent_per_s",
        "peak/s": "peak_per_s",
        "goodput/s": "goodput_per_s",
        "of the peak": "goodput_share",
        "of the generator's own": "unwoken_share",
        "costs account for": "accounted",
        "p50 ms": "p50_ms",
        "p99 ms": "p99_ms",
        "recovered after s": "recovery_s",
        "503 p99 ms": "refusal_p99_ms",
        "waited p99 ms": "waited_p99_ms",
    }
    worst = {
        "late": "late",
        "503s": "refused",
        "other": "other",
        "never sent": "unsent",
        "resident MB": "resident_mb",
    }
    rows = []
    for load in LOADS:
        name = f"overload/{load:g}"
        sent, costs = figures[f"{name}/sent_share"], figures[f"{name}/refusal_cost"]
        bounds = [bound_at(share, cost) for share, cost in zip(sent, costs, strict=True)]
        rows.append(
            [
                f"{load:g} ×",
                str(spread(bounds)),
                *(str(spread(figures[f"{name}/{what}"])) for what in headings.values()),
                *(number(max(figures[f"{name}/{what}"])) for what in worst.values()),
            ]
        )
    return Table(title="Overload, one-image JSON", headings=["load", "refusing leaves", *headings, *worst], rows=rows)
