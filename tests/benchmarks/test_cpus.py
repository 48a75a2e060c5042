"""Dividing CPUs between server and driver."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.serving.cpus import as_list, available, given, on, parse, shared_out
from benchmarks.serving.errors import BenchError


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


@pytest.mark.parametrize(
    ("text", "cpus"), [("3", {3}), ("0-3", {0, 1, 2, 3}), ("0-1,8-9,5", {0, 1, 5, 8, 9}), ("1,1-2", {1, 2})]
)
def test_a_list_of_cpus(text: str, cpus: set[int]) -> None:
    assert parse(text) == cpus
    assert parse(as_list(cpus)) == cpus


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,", "-2", "0-1-2"])
def test_what_is_no_list_of_cpus(text: str) -> None:
    with pytest.raises(ValueError, match="is no list of CPUs such as"):
        parse(text)


def test_runs_are_written_short() -> None:
    assert as_list({9, 0, 1, 2, 5, 8}) == "0-2,5,8-9"


@pytest.mark.parametrize(
    ("server", "driver", "shares"),
    [
        (None, None, None),
        ({0, 1}, {4, 5}, ({0, 1}, {4, 5})),
        ({0, 1}, None, ({0, 1}, {2, 3, 4, 5})),
        (None, {5}, ({0, 1, 2, 3, 4}, {5})),
        ({0, 1}, {0, 1}, ({0, 1}, {0, 1})),
    ],
)
def test_cpus_that_are_named(
    server: set[int] | None, driver: set[int] | None, shares: tuple[set[int], set[int]] | None
) -> None:
    found = given(frozenset(range(6)), server, driver)
    assert shares == (None if found is None else (set(found.server), set(found.driver)))


@pytest.mark.parametrize(
    ("server", "driver", "said"),
    [({0, 6, 7}, None, r"may not use CPU 6-7 \(it may use 0-5\)"), (set(range(6)), None, "no CPU is left beside 0-5")],
)
def test_cpus_that_cannot_be_had(server: set[int], driver: set[int] | None, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        given(frozenset(range(6)), server, driver)


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
