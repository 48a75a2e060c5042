"""Reads the sizes of batches from Latent's /metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

_BATCHES = "latent_batch_items"


@dataclass(frozen=True)
class Batches:
    """A reading of the encoder's histogram of batch sizes: calls and items so far."""

    items: float
    observations: float

    def mean_since(self, earlier: Batches) -> float:
        """Mean batch size between two readings; 1 where there was no call."""
        seen = self.observations - earlier.observations
        return (self.items - earlier.items) / seen if seen else 1.0


def encoder_batches(text: str) -> Batches:
    """Parse a reading from the text of /metrics."""
    families: Iterable[Metric] = text_string_to_metric_families(text)
    samples = [
        sample
        for family in families
        if family.name == _BATCHES
        for sample in family.samples
        if sample.labels.get("half") == "encoder"
    ]
    return Batches(
        items=sum(sample.value for sample in samples if sample.name == f"{_BATCHES}_sum"),
        observations=sum(sample.value for sample in samples if sample.name == f"{_BATCHES}_count"),
    )
