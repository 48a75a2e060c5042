"""Which versions there are, in which state, which one a request means, and how that changes while requests run."""

from __future__ import annotations

from service.models.registry import Registry
from service.models.slots import Model, Slot, State

__all__ = ["Model", "Registry", "Slot", "State"]
