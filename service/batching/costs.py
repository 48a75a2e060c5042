"""Cost curves: the measured duration of an engine call for each batch size, and the best batch size by it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

_GAIN = 1.05
"""A larger batch is worth the wait of its jobs where it gives at least 5 % more rows a second."""


@dataclass(frozen=True)
class CostCurve:
    """The duration of one engine call for each batch size."""

    sizes: tuple[int, ...]
    """Batch sizes, ascending."""
    seconds: tuple[float, ...]

    @cached_property
    def seconds_of(self) -> tuple[float, ...]:
        """Seconds of a call by its number of rows, from 0 to the largest size; a call is padded to the next size."""
        return (0.0, *(self.seconds[bisect_left(self.sizes, rows)] for rows in range(1, self.sizes[-1] + 1)))

    @cached_property
    def best_size(self) -> int:
        """The batch size beyond which throughput stops growing."""
        best, rate = self.sizes[0], self.sizes[0] / self.seconds[0]
        for size, seconds in zip(self.sizes[1:], self.seconds[1:], strict=True):
            if size / seconds >= _GAIN * rate:
                best, rate = size, size / seconds
        return best

    @cached_property
    def size_for(self) -> tuple[int, ...]:
        """The number of rows to put into one batch, by the number of rows that the first job of the queue has left.

        All rows where one call takes no longer than calls of the best size. The last entry is for jobs with more rows
        than the largest size.
        """
        return tuple(self._size_for(rows) for rows in range(self.sizes[-1] + 2))

    def _size_for(self, rows: int) -> int:
        best, seconds_of = self.best_size, self.seconds_of
        if best < rows <= self.sizes[-1]:
            whole, rest = divmod(rows, best)
            if seconds_of[rows] <= whole * seconds_of[best] + seconds_of[rest]:
                return rows
        return best
