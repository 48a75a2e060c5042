"""How many CPUs this process may use: its affinity and its container's quota, not how many the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_MAX = Path("/sys/fs/cgroup/cpu.max")


_INLINE_S, _INLINE_S_ALONE = 0.0005, 0.005


def inline_limit_s(cpus: int) -> float:
    """Engine calls up to so many seconds run in the event loop.

    The way to a thread and back costs some 0.1 ms of processor time, and buys nothing where there is one CPU.
    """
    return _INLINE_S_ALONE if cpus == 1 else _INLINE_S


def cpus_of_each(workers: int, quota: Path = CGROUP_MAX) -> int:
    """CPUs for each of so many processes that share what this one may use: engine threads follow it. At least 1."""
    return max(1, usable_cpus(quota) // workers)


def usable_cpus(quota: Path = CGROUP_MAX) -> int:
    """At least 1. The quota is cgroup v2's `cpu.max`: microseconds a period, and the period."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
        limit = math.ceil(int(allowed) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return affinity
    return max(1, min(affinity, limit))
