"""Every metric, its unit in its name. Labels are bounded: routes, models of the store, status codes.

Counting is a few additions to plain numbers; Prometheus' own types are made of them when somebody asks.
"""

from __future__ import annotations

import importlib.metadata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service.registry import Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

Labels = tuple[str, ...]


class Histogram:
    """How many observations lie between bounds, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, observations up to it), the last without a bound."""
        total, found = 0, []
        for bound, count in zip((*map(str, map(float, self.bounds)), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Metrics(Collector):
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._items: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._request_seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(_SECONDS))
        self._queue_seconds: defaultdict[tuple[str, str], Histogram] = defaultdict(lambda: Histogram(_SECONDS))
        self._infer_seconds: defaultdict[tuple[str, str], Histogram] = defaultdict(lambda: Histogram(_SECONDS))
        self._batch_items: defaultdict[tuple[str, str], Histogram] = defaultdict(lambda: Histogram(_ITEMS))

    def watch(self, registry: Registry) -> None:
        """Read the state of models and queues whenever metrics are asked for."""
        self._registry.register(_State(registry))

    def observe_request(self, verb: str, model: str, status: int, items: int, seconds: float) -> None:
        """One answered request; `model` is empty where none was resolved."""
        self._requests[verb, model, status] += 1
        self._request_seconds[verb].observe(seconds)
        if items:
            self._items[verb, model] += items

    def observe_wait(self, model: str, half: str, seconds: float) -> None:
        """How long a job waited for the engine."""
        self._queue_seconds[model, half].observe(seconds)

    def observe_call(self, model: str, half: str, seconds: float, rows: int) -> None:
        """One engine call."""
        self._infer_seconds[model, half].observe(seconds)
        self._batch_items[model, half].observe(rows)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus has them."""
        requests = CounterMetricFamily("latent_requests", "Requests answered.", labels=["verb", "model", "status"])
        for (verb, model, status), count in self._requests.items():
            requests.add_metric([verb, model, str(status)], count)
        yield requests
        items = CounterMetricFamily("latent_items", "Items in answered requests.", labels=["verb", "model"])
        for labels, count in self._items.items():
            items.add_metric(labels, count)
        yield items
        seconds = HistogramMetricFamily(
            "latent_request_seconds", "From the request's first byte to the answer's last.", labels=["verb"]
        )
        for verb, histogram in self._request_seconds.items():
            seconds.add_metric([verb], histogram.buckets(), histogram.sum)
        yield seconds
        for name, text, histograms in (
            ("latent_queue_seconds", "A job's wait for its engine.", self._queue_seconds),
            ("latent_infer_seconds", "One engine call.", self._infer_seconds),
            ("latent_batch_items", "Items of one engine call.", self._batch_items),
        ):
            family = HistogramMetricFamily(name, text, labels=["model", "half"])
            for pair, histogram in histograms.items():
                family.add_metric(pair, histogram.buckets(), histogram.sum)
            yield family

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)


class _State(Collector):
    def __init__(self, registry: Registry) -> None:
        self._models = registry

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Gauges read from the state itself, never counted up and down."""
        build = GaugeMetricFamily("latent_build_info", "Version of this service.", labels=["version"])
        build.add_metric([importlib.metadata.version("latent")], 1)
        yield build
        ready = GaugeMetricFamily("latent_ready", "1 where /readyz answers 200.")
        ready.add_metric([], 0 if self._models.unready() else 1)
        yield ready
        versions = GaugeMetricFamily(
            "latent_version_ready", "1 where a version is ready.", labels=["model", "version", "engine"]
        )
        waiting = GaugeMetricFamily(
            "latent_waiting_items", "Items that wait for an engine.", labels=["model", "version"]
        )
        for slot in self._models.slots():
            engine = slot.model.engine if slot.model is not None else ""
            versions.add_metric([slot.name, str(slot.version), engine], 1 if slot.state == "ready" else 0)
            if slot.model is not None:
                waiting.add_metric([slot.name, str(slot.version)], slot.model.waiting_items)
        yield versions
        yield waiting
