"""Which versions there are, in which state, which one a request means, and how that changes while requests run."""

from __future__ import annotations

from service.registry.registry import Registry
from service.registry.slots import Model, Slot, State

__all__ = ["Model", "Registry", "Slot", "State"]
