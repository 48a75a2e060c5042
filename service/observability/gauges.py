"""What /metrics says of versions and of the names that mean them, read from the state itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily

from service.models.slots import Model, Slot

Labels = tuple[str, ...]
"""A model's name, and a version's number."""


@dataclass(frozen=True)
class Standing:
    """The models of one process at one moment."""

    failed: Mapping[Labels, int]
    """1 where a version has failed; every version is there."""
    memory_bytes: Mapping[Labels, int]
    """Of loaded versions, as the next."""
    leases: Mapping[Labels, int]
    held_back: Mapping[Labels, int]
    """1 where a name of a model does not mean what the store says."""

    @classmethod
    def of(cls, models: Iterable[Model]) -> Standing:
        """The models as they are now."""
        models = list(models)
        slots: dict[Labels, Slot] = {
            (slot.name, str(slot.version)): slot for model in models for slot in model.slots.values()
        }
        return cls(
            failed={version: int(slot.state == "failed") for version, slot in slots.items()},
            memory_bytes={version: slot.occupied_bytes for version, slot in slots.items() if slot.model is not None},
            leases={version: slot.model.leases for version, slot in slots.items() if slot.model is not None},
            held_back={(model.name,): int(model.reason is not None) for model in models},
        )


def families(standings: Sequence[Standing]) -> Iterator[GaugeMetricFamily]:
    """Gauges of all processes together: failed and held back where it is so in any, memory and leases added up."""
    version = ["model", "version"]
    yield _gauge("latent_version_failed", "1 where a version has failed.", version, max, [s.failed for s in standings])
    text = "Memory of a loaded version."
    yield _gauge("latent_version_memory_bytes", text, version, sum, [s.memory_bytes for s in standings])
    text = "Requests that have a version."
    yield _gauge("latent_version_leases", text, version, sum, [s.leases for s in standings])
    text = "1 where a name does not mean what the store says."
    yield _gauge("latent_model_held_back", text, ["model"], max, [s.held_back for s in standings])


def _gauge(
    name: str,
    text: str,
    labels: Sequence[str],
    together: Callable[[Iterable[int]], int],
    found: Sequence[Mapping[Labels, int]],
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key in dict.fromkeys(key for one in found for key in one):
        family.add_metric(key, together(one[key] for one in found if key in one))
    return family
