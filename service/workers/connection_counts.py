"""How many connections each worker holds, in memory that all workers share.

Workers accept from one socket, and the kernel wakes them in no fair order: of eight connections that come at once, one
worker may take all. A connection stays where it was accepted, so the others would idle.
"""

from __future__ import annotations

from collections.abc import MutableSequence

_NOT_ACCEPTING = -1


class ConnectionCounts:
    """The counts as one worker has them."""

    def __init__(self, counts: MutableSequence[int], number: int) -> None:
        """`counts` are those of all workers, this one's at `number`."""
        self._counts, self._number = counts, number

    def report(self, connections: int) -> None:
        """This worker accepts, and holds so many."""
        self._counts[self._number] = connections

    def close(self) -> None:
        """This worker does not accept, or not any more."""
        self._counts[self._number] = _NOT_ACCEPTING

    @property
    def is_ahead(self) -> bool:
        """Whether another worker that accepts has fewer."""
        own = self._counts[self._number]
        return any(_NOT_ACCEPTING < other < own for other in self._counts)


def no_counts(workers: int) -> list[int]:
    """The counts before any worker accepts."""
    return [_NOT_ACCEPTING] * workers
