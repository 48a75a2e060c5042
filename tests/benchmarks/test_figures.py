"""Medians, spreads, ratios, and their formatting."""

from __future__ import annotations

import pytest

from benchmarks.serving.figures import number, ratios, spread


def test_a_spread_is_median_least_and_most() -> None:
    found = spread([9.3, 8.5, 8.9])
    assert (found.median, found.least, found.most) == (8.9, 8.5, 9.3)
    assert str(found) == "8.90 (8.50–9.30)"


def test_one_round_has_no_spread() -> None:
    assert str(spread([12.0])) == "12.0"


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([10.0, 30.0, 8.0], [1.0, 2.0, 4.0]) == [10.0, 15.0, 2.0]


def test_ratios_to_other_rounds_are_to_their_median() -> None:
    assert ratios([10.0, 30.0], [1.0, 2.0, 100.0]) == [5.0, 15.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (5.96e-7, "5.96e-07"),
        (0.012345, "0.0123"),
        (3.14159, "3.14"),
        (35.71, "35.7"),
        (987.6, "988"),
        (11234.4, "11,234"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
