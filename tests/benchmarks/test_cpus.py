"""Who gets which CPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.serving.cpus import available, on, shared_out


@pytest.mark.parametrize(
    ("cpus", "servers", "server", "driver"),
    [
        ({0, 1}, 1, {1}, {0}),
        ({2, 5, 9, 11}, 1, {11}, {2, 5, 9}),
        ({0, 1, 2, 3}, 2, {2, 3}, {0, 1}),
        ({0, 1}, 2, {0, 1}, {0, 1}),
        ({3}, 1, {3}, {3}),
        (set(), 1, set(), set()),
    ],
)
def test_the_server_gets_the_last_ones(cpus: set[int], servers: int, server: set[int], driver: set[int]) -> None:
    shares = shared_out(cpus, servers)
    assert [set(one) for one in (shares.every, shares.server, shares.driver)] == [cpus, server, driver]
    assert shares.pinned is (server != driver)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not pin processes")
def test_children_inherit_the_cpu_and_the_parent_gets_its_own_back() -> None:
    every = available()
    one = min(every)
    with on({one}):
        child = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert child.stdout.strip() == f"{{{one}}}"
    assert available() == every
