"""Numbers of several rounds: their median and how far apart they are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, Sequence[float]]
"""By name, such as `latent/dense/encode/json/1x64/requests_per_s`: one number a round."""


@dataclass(frozen=True)
class Spread:
    """What several rounds say together."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        """`8.9 (8.5–9.3)`; the median alone where the others say no more."""
        middle, low, high = number(self.median), number(self.least), number(self.most)
        return middle if low == high else f"{middle} ({low}–{high})"


def spread(values: Sequence[float]) -> Spread:
    """Median, least and most of at least one number."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round, as both were measured one after the other.

    Where they were measured in parts of their own, with other rounds, to the median of `theirs`.
    """
    if len(ours) == len(theirs):
        return [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return [mine / statistics.median(theirs) for mine in ours]


def number(value: float) -> str:
    """Three significant digits, thousands apart: `11,234`, `35.7`, `0.0123`, `5.96e-07`."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if abs(value) < 0.001:
        return f"{value:.2e}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
