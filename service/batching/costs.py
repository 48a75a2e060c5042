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

    @cached_property
    def seconds_of(self) -> tuple[float, ...]:
        """By the number of rows, from none to the largest size: a call has the next size that holds them."""
        return (0.0, *(self.seconds[bisect_left(self.sizes, rows)] for rows in range(1, self.sizes[-1] + 1)))

    @cached_property
    def best_size(self) -> int:
        """The size beyond which throughput stops growing."""
        best, rate = self.sizes[0], self.sizes[0] / self.seconds[0]
        for size, seconds in zip(self.sizes[1:], self.seconds[1:], strict=True):
            if size / seconds >= _GAIN * rate:
                best, rate = size, size / seconds
        return best

    @cached_property
    def size_for(self) -> tuple[int, ...]:
        """By the number of one caller's rows: how many of them to take at once.

        All of them where that takes no longer than batches of the best size; for more than the largest size, the last.
        """
        return tuple(self._size_for(rows) for rows in range(self.sizes[-1] + 2))

    def _size_for(self, rows: int) -> int:
        best, seconds_of = self.best_size, self.seconds_of
        if best < rows <= self.sizes[-1]:
            whole, rest = divmod(rows, best)
            if seconds_of[rows] <= whole * seconds_of[best] + seconds_of[rest]:
                return rows
        return best
