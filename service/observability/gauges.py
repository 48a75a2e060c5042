"""Gauges of /metrics for models and versions, read from the registry whenever they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily

from service.limits import InFlightBytes, Pools
from service.models import Registry

Labels = tuple[str, ...]
Values = Mapping[str, Mapping[Labels, int]]
"""Gauge values by metric name, then by label values."""
Together = Callable[[Iterable[int]], int]

_VERSION = ("model", "version")


class _Gauge(NamedTuple):
    text: str
    labels: Sequence[str]
    together: Together
    """Combines the values of several processes into one; a process without the labels counts as 0."""


_GAUGES = {
    "latent_version_ready": _Gauge("1 where a version is ready.", (*_VERSION, "engine"), min),
    "latent_waiting_items": _Gauge("Items that wait for an engine.", _VERSION, sum),
    "latent_version_failed": _Gauge("1 where a version has failed.", _VERSION, max),
    "latent_version_memory_bytes": _Gauge("Memory of a loaded version.", _VERSION, sum),
    "latent_version_leases": _Gauge("Requests that have a version.", _VERSION, sum),
    "latent_in_flight_bytes": _Gauge("Bytes that requests in flight hold.", (), sum),
    "latent_pool_waiting": _Gauge("Calls that wait for a thread of a pool.", ("pool",), sum),
    "latent_pool_running": _Gauge("Calls that have a thread of a pool.", ("pool",), sum),
    "latent_store_look_pending_seconds": _Gauge("Seconds that a look at the store has been running.", (), max),
    "latent_store_unreadable": _Gauge("Parts of the store that cannot be read: itself, models, aliases.", (), max),
    "latent_model_held_back": _Gauge("1 where a name does not mean what the store says.", ("model",), max),
}


def values_of(registry: Registry, in_flight: InFlightBytes, pools: Pools) -> Values:
    """The current gauge values of one process."""
    values: dict[str, dict[Labels, int]] = {name: {} for name in _GAUGES}
    values["latent_in_flight_bytes"][()] = in_flight.held
    for pool in pools:
        values["latent_pool_waiting"][pool.name,], values["latent_pool_running"][pool.name,] = (
            pool.waiting,
            pool.running,
        )
    values["latent_store_look_pending_seconds"][()] = int(registry.look_pending_s)
    values["latent_store_unreadable"][()] = len(registry.troubles())
    for model in registry.models():
        values["latent_model_held_back"][model.name,] = int(model.reason is not None)
    for slot in registry.slots():
        version = (slot.name, str(slot.version))
        engine = slot.model.engine if slot.model is not None else ""
        values["latent_version_ready"][*version, engine] = int(slot.state == "ready")
        values["latent_version_failed"][version] = int(slot.state == "failed")
        if slot.model is not None:
            values["latent_waiting_items"][version] = slot.model.waiting_items
            values["latent_version_memory_bytes"][version] = slot.occupied_bytes
            values["latent_version_leases"][version] = slot.model.leases
    return values


def families(found: Sequence[Values]) -> Iterator[GaugeMetricFamily]:
    """Prometheus gauges with the values of all processes combined."""
    for name, gauge in _GAUGES.items():
        family = GaugeMetricFamily(name, gauge.text, labels=gauge.labels)
        for labels in dict.fromkeys(labels for values in found for labels in values[name]):
            family.add_metric(labels, gauge.together(values[name].get(labels, 0) for values in found))
        yield family
