"""Statistics of figures over several rounds: median, spread, ratios; and number formatting."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, Sequence[float]]
"""Figures by name, such as `latent/dense/encode/json/1x64/requests_per_s`: one number for each round."""


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of a figure over several rounds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        """Format as `8.9 (8.5–9.3)`; only the median where all three look equal."""
        middle, low, high = number(self.median), number(self.least), number(self.most)
        return middle if low == high else f"{middle} ({low}–{high})"


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum of at least one number."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ratios round by round, as both figures of a round were measured one after the other.

    With different numbers of rounds (measured in different parts): ratios to the median of `theirs`.
    """
    if len(ours) == len(theirs):
        return [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return [mine / statistics.median(theirs) for mine in ours]


def number(value: float) -> str:
    """Format with three significant digits and thousands separators: `11,234`, `35.7`, `0.0123`, `5.96e-07`."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if abs(value) < 0.001:
        return f"{value:.2e}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
