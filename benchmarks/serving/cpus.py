"""Divides the CPUs: one for the measured server, the others for the driver (load generator)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.serving.errors import BenchError

_RUN = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?", re.ASCII)


@dataclass(frozen=True)
class Cpus:
    """The CPUs of server and driver. With too few CPUs to divide, both have `every` CPU."""

    every: frozenset[int]
    server: frozenset[int]
    driver: frozenset[int]

    @property
    def pinned(self) -> bool:
        """Whether server and driver run on different CPUs."""
        return self.server != self.driver


def available() -> frozenset[int]:
    """The CPUs that this process may use; empty on a system without CPU affinity."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def shared_out(cpus: AbstractSet[int], servers: int = 1) -> Cpus:
    """Give the last `servers` CPUs to the server, the others to the driver; with too few CPUs, all to both.

    The driver has the first CPU, because most interrupts are handled there.
    """
    every, ordered = frozenset(cpus), sorted(cpus)
    if len(ordered) <= servers:
        return Cpus(every, every, every)
    return Cpus(every, frozenset(ordered[-servers:]), frozenset(ordered[:-servers]))


def parse(text: str) -> frozenset[int]:
    """Parse a CPU list in the kernel's format: `0-2,5` is 0, 1, 2 and 5. Raises ValueError for other text."""
    found: set[int] = set()
    for part in text.split(","):
        run = _RUN.fullmatch(part)
        numbers = range(int(run[1]), int(run[2] or run[1]) + 1) if run else range(0)
        if not numbers:
            raise ValueError(f"{text!r} is no list of CPUs such as 0-7 or 0-2,5")
        found.update(numbers)
    return frozenset(found)


def as_list(cpus: AbstractSet[int]) -> str:
    """Format CPUs as a list that `parse` reads: `0-2,5`."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def given(cpus: AbstractSet[int], server: AbstractSet[int] | None, driver: AbstractSet[int] | None) -> Cpus | None:
    """Divide the CPUs as the user asked; server or driver without a list gets the rest. None without any list.

    Raises BenchError where this process may not use one of the CPUs, or none is left.
    """
    if server is None and driver is None:
        return None
    if not cpus:
        raise BenchError("this system does not keep processes on CPUs: name none")
    named = frozenset(server or ()) | frozenset(driver or ())
    if not named <= cpus:
        raise BenchError(f"this process may not use CPU {as_list(named - cpus)} (it may use {as_list(cpus)})")
    rest = frozenset(cpus) - named
    shares = Cpus(
        named | rest, frozenset(rest if server is None else server), frozenset(rest if driver is None else driver)
    )
    if not shares.server or not shares.driver:
        raise BenchError(f"no CPU is left beside {as_list(named)}: name the server's and the driver's")
    return shares


@contextmanager
def on(cpus: AbstractSet[int]) -> Iterator[None]:
    """Pin this thread, and the processes that it starts, to these CPUs; an empty set pins nothing."""
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
