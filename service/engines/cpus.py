"""Counts the CPUs that this process may use, by its affinity and its container's quota, not those of the machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_MAX = Path("/sys/fs/cgroup/cpu.max")


_INLINE_S, _INLINE_S_ALONE = 0.0005, 0.005


def inline_limit_s(cpus: int) -> float:
    """The longest engine call, in seconds, that runs in the event loop instead of a thread.

    A thread costs about 0.1 ms of CPU time for each call, and gains nothing where there is only one CPU.
    """
    return _INLINE_S_ALONE if cpus == 1 else _INLINE_S


def cpus_of_each(workers: int, quota: Path = CGROUP_MAX) -> int:
    """The number of CPUs for each of `workers` processes, at least 1; it sets the number of engine threads."""
    return max(1, usable_cpus(quota) // workers)


def usable_cpus(quota: Path = CGROUP_MAX) -> int:
    """The number of CPUs that this process may use, at least 1.

    The quota is cgroup v2's `cpu.max`: microseconds a period, and the period.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
        limit = math.ceil(int(allowed) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return affinity
    return max(1, min(affinity, limit))
