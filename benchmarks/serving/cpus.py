"""Who runs where: one CPU for the server that is measured, the others for whoever drives it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cpus:
    """The CPUs of this process, shared out. `server` and `driver` are `every` where there is nothing to share."""

    every: frozenset[int]
    server: frozenset[int]
    driver: frozenset[int]

    @property
    def pinned(self) -> bool:
        """Whether server and driver keep out of each other's way."""
        return self.server != self.driver


def available() -> frozenset[int]:
    """The CPUs that this process may use; empty on a system that cannot say."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def shared_out(cpus: AbstractSet[int], servers: int = 1) -> Cpus:
    """The last `servers` CPUs for the server, the others for the driver; everything for both where none would be left.

    The first CPU is the driver's: interrupts go there by habit.
    """
    every, ordered = frozenset(cpus), sorted(cpus)
    if len(ordered) <= servers:
        return Cpus(every, every, every)
    return Cpus(every, frozenset(ordered[-servers:]), frozenset(ordered[:-servers]))


@contextmanager
def on(cpus: AbstractSet[int]) -> Iterator[None]:
    """Keep this thread, and the processes that it starts meanwhile, on these CPUs; anywhere where there are none."""
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
