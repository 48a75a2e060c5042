"""The number of connections of each worker, in memory that all workers share.

Workers accept from one socket, and the kernel wakes them in no fair order: one worker may accept all of eight
connections that arrive together. A connection stays with its worker, so the other workers would idle.
"""

from __future__ import annotations

from collections.abc import MutableSequence

_NOT_ACCEPTING = -1


class ConnectionCounts:
    """One worker's view of the connection counts of all workers."""

    def __init__(self, counts: MutableSequence[int], number: int) -> None:
        """`counts` has one entry for each worker; this worker's is at index `number`."""
        self._counts, self._number = counts, number

    def report(self, connections: int) -> None:
        """Record the number of connections that this worker holds, and that it accepts more."""
        self._counts[self._number] = connections

    def close(self) -> None:
        """Record that this worker does not accept connections."""
        self._counts[self._number] = _NOT_ACCEPTING

    @property
    def is_ahead(self) -> bool:
        """Whether this worker holds more connections than another worker that accepts."""
        own = self._counts[self._number]
        return any(_NOT_ACCEPTING < other < own for other in self._counts)


def no_counts(workers: int) -> list[int]:
    """The counts before any worker accepts."""
    return [_NOT_ACCEPTING] * workers
