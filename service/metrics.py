"""Every metric, its unit in its name. Labels are bounded: routes, models of the store, status codes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service.batching import Answer
from service.registry import Registry
from service.registry.gauges import model_metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "latent_requests", "Requests answered.", ["verb", "model", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "latent_request_seconds",
            "From the request's first byte to the answer's last.",
            ["verb"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._items = Counter("latent_items", "Items in answered requests.", ["verb", "model"], registry=registry)
        self._queue_seconds = Histogram(
            "latent_queue_seconds",
            "A job's wait for its engine.",
            ["model", "half"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._infer_seconds = Histogram(
            "latent_infer_seconds", "One engine call.", ["model", "half"], buckets=_SECONDS, registry=registry
        )
        self._batch_items = Histogram(
            "latent_batch_items", "Items of one engine call.", ["model", "half"], buckets=_ITEMS, registry=registry
        )

    def watch(self, registry: Registry) -> None:
        """Read the state of models and queues whenever metrics are asked for."""
        self._registry.register(_State(registry))

    def observe_request(self, verb: str, model: str, status: int, items: int, seconds: float) -> None:
        """One answered request; `model` is empty where none was resolved."""
        self._requests.labels(verb, model, str(status)).inc()
        self._request_seconds.labels(verb).observe(seconds)
        if items:
            self._items.labels(verb, model).inc(items)

    def observe_answer(self, model: str, half: str, answer: Answer) -> None:
        """One job that an engine has answered."""
        self._queue_seconds.labels(model, half).observe(answer.queue_s)
        self._infer_seconds.labels(model, half).observe(answer.infer_s)
        self._batch_items.labels(model, half).observe(answer.batch_items)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)


class _State(Collector):
    def __init__(self, registry: Registry) -> None:
        self._models = registry

    def collect(self) -> Iterator[Metric]:
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
        yield from model_metrics(self._models.models())
