"""What /metrics says of versions and of the names that mean them, read from the state itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from service.registry.slots import Model


def model_metrics(models: Iterable[Model]) -> Iterator[Metric]:
    """Failed versions, memory of loaded ones, leases, and swaps."""
    failed = GaugeMetricFamily("latent_version_failed", "1 where a version has failed.", labels=["model", "version"])
    memory = GaugeMetricFamily(
        "latent_version_memory_bytes", "Memory of a loaded version.", labels=["model", "version"]
    )
    leases = GaugeMetricFamily("latent_version_leases", "Requests that have a version.", labels=["model", "version"])
    held = GaugeMetricFamily(
        "latent_model_held_back", "1 where a name does not mean what the store says.", labels=["model"]
    )
    swaps = CounterMetricFamily("latent_model_swaps", "Moves of a name from one version to another.", labels=["model"])
    for model in models:
        held.add_metric([model.name], 1 if model.reason else 0)
        swaps.add_metric([model.name], model.swaps)
        for slot in model.slots.values():
            labels = [slot.name, str(slot.version)]
            failed.add_metric(labels, 1 if slot.state == "failed" else 0)
            if slot.model is not None:
                memory.add_metric(labels, slot.memory_bytes or 0)
                leases.add_metric(labels, slot.model.leases)
    yield from (failed, memory, leases, held, swaps)
