"""Metrics for Prometheus, each with its unit in its name. Labels are bounded: routes, models, status codes.

Counts are plain numbers, which worker processes send each other and add up. Prometheus' own types are made from them
only when /metrics is asked for.
"""

from __future__ import annotations

import importlib.metadata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service.limits import InFlightBytes, Pools
from service.log_sink import lost_lines
from service.models import Registry
from service.observability.gauges import Values, families, values_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ITEMS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


Key = tuple[str, ...]
"""The label values of one distribution."""


@dataclass(slots=True)
class Distribution:
    """A histogram: the number of observations between each two bounds, and the sum of all observations."""

    bounds: Sequence[float]
    counts: list[int]
    sum: float = 0.0

    @classmethod
    def over(cls, bounds: Sequence[float]) -> Distribution:
        """An empty histogram with these bounds."""
        return cls(bounds, [0] * (len(bounds) + 1))

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts for Prometheus: (upper bound, observations up to this bound), `+Inf` last."""
        total, found = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


@dataclass
class Counts:
    """All counters and histograms of one process since its start."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Number of requests by (verb, model, status)."""
    items: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of items by (verb, model)."""
    request_seconds: dict[Key, Distribution] = field(default_factory=dict)
    """Durations of requests by (verb,)."""
    queue_seconds: dict[Key, Distribution] = field(default_factory=dict)
    """Waits for the engine by (model, half); `infer_seconds` and `batch_items` have the same labels."""
    infer_seconds: dict[Key, Distribution] = field(default_factory=dict)
    batch_items: dict[Key, Distribution] = field(default_factory=dict)
    swaps: Counter[str] = field(default_factory=Counter)
    """Number of moves of a name to another version, by model."""
    lost_lines: Counter[str] = field(default_factory=Counter)
    """Number of log lines that could not be written, by reason."""

    def add(self, other: Counts) -> None:
        """Add the counts of another process to these."""
        self.requests.update(other.requests)
        self.items.update(other.items)
        _add(self.request_seconds, other.request_seconds)
        _add(self.queue_seconds, other.queue_seconds)
        _add(self.infer_seconds, other.infer_seconds)
        _add(self.batch_items, other.batch_items)
        self.swaps.update(other.swaps)
        self.lost_lines.update(other.lost_lines)


@dataclass(frozen=True)
class State:
    """The current state of one process: whether it is ready, and its gauges."""

    ready: bool
    gauges: Values


@dataclass(frozen=True)
class Report:
    """The metrics of one process: its counts, and its state; state is None after the process has ended."""

    counts: Counts
    state: State | None


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._registry: Registry | None = None
        self._limits: tuple[InFlightBytes, Pools]

    def watch(self, registry: Registry, in_flight: InFlightBytes, pools: Pools) -> None:
        """Give the metrics the objects whose state is read for every report."""
        self._registry, self._limits = registry, (in_flight, pools)

    def observe_request(self, verb: str, model: str, status: int, items: int, seconds: float) -> None:
        """Count one answered request; `model` is empty where the request's model is not known."""
        counts = self.counts
        counts.requests[verb, model, status] += 1
        _observe(counts.request_seconds, (verb,), SECONDS, seconds)
        if items:
            counts.items[verb, model] += items

    def observe_wait(self, model: str, half: str, seconds: float) -> None:
        """Count how long a job waited for the engine."""
        _observe(self.counts.queue_seconds, (model, half), SECONDS, seconds)

    def observe_call(self, model: str, half: str, seconds: float, rows: int) -> None:
        """Count one engine call, with its duration and its rows."""
        _observe(self.counts.infer_seconds, (model, half), SECONDS, seconds)
        _observe(self.counts.batch_items, (model, half), ITEMS, rows)

    def observe_swap(self, model: str) -> None:
        """Count that a name of a model moved from one version to another."""
        self.counts.swaps[model] += 1

    def report(self) -> Report:
        """The report of this process: counts so far and current state."""
        self.counts.lost_lines = Counter(lost_lines())
        if self._registry is None:
            return Report(self.counts, None)
        return Report(self.counts, State(not self._registry.unready(), values_of(self._registry, *self._limits)))


def render(reports: Sequence[Report]) -> bytes:
    """The metrics of one or several processes together, in Prometheus' text exposition format."""
    registry = CollectorRegistry()
    registry.register(_Together(reports))
    return generate_latest(registry)


class _Together(Collector):
    def __init__(self, reports: Sequence[Report]) -> None:
        self._counts = Counts()
        for report in reports:
            self._counts.add(report.counts)
        self._states = [report.state for report in reports if report.state is not None]

    def collect(self) -> Iterator[Metric]:
        """Yield Prometheus' metrics: counts are sums over processes; ready means that every process is ready."""
        counts, states = self._counts, self._states
        build = GaugeMetricFamily("latent_build_info", "Version of this service.", labels=["version"])
        build.add_metric([importlib.metadata.version("latent")], 1)
        yield build
        yield GaugeMetricFamily("latent_workers", "Processes that answer.", value=len(states))
        ready = all(state.ready for state in states)
        yield GaugeMetricFamily("latent_ready", "1 where /readyz answers 200.", value=int(ready))
        yield from families([state.gauges for state in states])
        text = "Moves of a name from one version to another, in each process."
        yield _counter("latent_model_swaps", text, ["model"], {(name,): moves for name, moves in counts.swaps.items()})
        lost = {(reason,): lines for reason, lines in counts.lost_lines.items()}
        yield _counter("latent_log_lines_lost", "Log lines that could not be written.", ["reason"], lost)
        requests = {(verb, model, str(status)): count for (verb, model, status), count in counts.requests.items()}
        yield _counter("latent_requests", "Requests answered.", ["verb", "model", "status"], requests)
        yield _counter("latent_items", "Items in answered requests.", ["verb", "model"], counts.items)
        text = "From the request's first byte to the answer's last."
        yield _histogram("latent_request_seconds", text, ["verb"], counts.request_seconds)
        halves = ["model", "half"]
        yield _histogram("latent_queue_seconds", "A job's wait for its engine.", halves, counts.queue_seconds)
        yield _histogram("latent_infer_seconds", "One engine call.", halves, counts.infer_seconds)
        yield _histogram("latent_batch_items", "Items of one engine call.", halves, counts.batch_items)


def _observe(found: dict[Key, Distribution], key: Key, bounds: Sequence[float], value: float) -> None:
    distribution = found.get(key)
    if distribution is None:
        distribution = found[key] = Distribution.over(bounds)
    distribution.observe(value)


def _add(found: dict[Key, Distribution], others: Mapping[Key, Distribution]) -> None:
    for key, other in others.items():
        own = found.setdefault(key, Distribution.over(other.bounds))
        own.counts = [a + b for a, b in zip(own.counts, other.counts, strict=True)]
        own.sum += other.sum


def _counter(name: str, text: str, labels: Sequence[str], found: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in found.items():
        family.add_metric(key, count)
    return family


def _histogram(name: str, text: str, labels: Sequence[str], found: Mapping[Key, Distribution]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, distribution in found.items():
        family.add_metric(key, distribution.buckets(), distribution.sum)
    return family
