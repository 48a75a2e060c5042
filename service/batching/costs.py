"""What one engine call costs, by its number of rows: measured, never assumed."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

_GAIN = 1.05
"""A larger batch is worth its members' wait where it makes at least 5 % more rows a second."""


@dataclass(frozen=True)
class CostCurve:
    """Seconds of one call for each batch size."""

    sizes: tuple[int, ...]
    """Ascending."""
    seconds: tuple[float, ...]

    def seconds_of(self, rows: int) -> float:
        """Of so many rows, in calls of the largest size where one does not hold them."""
        largest = self.sizes[-1]
        whole, rest = divmod(rows, largest) if rows > largest else (0, rows)
        return whole * self.seconds[-1] + (self.seconds[bisect_left(self.sizes, rest)] if rest else 0.0)

    @cached_property
    def best_size(self) -> int:
        """The size beyond which throughput stops growing."""
        best, rate = self.sizes[0], self.sizes[0] / self.seconds[0]
        for size, seconds in zip(self.sizes[1:], self.seconds[1:], strict=True):
            if size / seconds >= _GAIN * rate:
                best, rate = size, size / seconds
        return best

    def size_for(self, rows: int) -> int:
        """How many of one caller's rows to take at once: all of them where that takes no longer than best batches."""
        best = self.best_size
        if best < rows <= self.sizes[-1]:
            whole, rest = divmod(rows, best)
            if self.seconds_of(rows) <= whole * self.seconds_of(best) + self.seconds_of(rest):
                return rows
        return best
