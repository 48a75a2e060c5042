"""What a batch costs, and how large it should be."""

from __future__ import annotations

import pytest

from service.batching.costs import CostCurve, measure_costs

MS = 1e-3


@pytest.mark.parametrize(
    ("rows", "seconds"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (8, 4), (9, 5), (12, 7), (16, 8), (30, 16)]
)
def test_a_batch_costs_what_the_size_that_holds_it_does(rows: int, seconds: float) -> None:
    curve = CostCurve((1, 2, 4, 8), (1.0, 2.0, 3.0, 4.0))
    assert curve.seconds_of(rows) == seconds


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ((1 * MS, 1 * MS, 1 * MS, 1 * MS), 8),  # rows are free
        ((1 * MS, 2 * MS, 4 * MS, 8 * MS), 1),  # nothing is gained
        ((1 * MS, 1.5 * MS, 2.9 * MS, 5.8 * MS), 2),  # 3 % more is no reason to wait
        ((1 * MS, 2 * MS, 4 * MS, 4 * MS), 8),  # a plateau that ends
    ],
)
def test_a_batch_grows_while_throughput_does(seconds: tuple[float, ...], best: int) -> None:
    assert CostCurve((1, 2, 4, 8), seconds).best_size == best


def test_every_size_is_timed_and_the_least_disturbed_time_counts() -> None:
    calls: list[int] = []
    curve = measure_costs(calls.append, (1, 4), repeats=3)
    assert calls == [1, 1, 1, 4, 4, 4]
    assert curve.sizes == (1, 4)
    assert all(0 < seconds < 1 for seconds in curve.seconds)
