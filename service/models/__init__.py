"""Models and versions: their state, loading and unloading, and which version the name in a request means."""

from __future__ import annotations

from service.models.registry import Registry
from service.models.slots import Model, Slot, State

__all__ = ["Model", "Registry", "Slot", "State"]
