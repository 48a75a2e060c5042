"""Heartbeats: each worker tells in memory that it shares with the supervisor for how long its event loop has turned."""

from __future__ import annotations

import asyncio
from collections.abc import MutableSequence

BEAT_S = 0.25


class Heartbeat:
    """One worker's heartbeat: the worker writes it, the supervisor reads it."""

    def __init__(self, seconds: MutableSequence[float], number: int) -> None:
        """`seconds` has one entry for each worker; this worker's is at index `number`."""
        self._seconds, self._number = seconds, number

    @property
    def seconds(self) -> float:
        """For how long the event loop has turned; 0 before its first turn."""
        return self._seconds[self._number]

    def begin(self) -> None:
        """Beat from now on, four times a second, while the running event loop turns."""
        loop = asyncio.get_running_loop()
        self._beat(loop, loop.time() - BEAT_S)

    def clear(self) -> None:
        """Record that there is no event loop."""
        self._seconds[self._number] = 0.0

    def _beat(self, loop: asyncio.AbstractEventLoop, began: float) -> None:
        self._seconds[self._number] = loop.time() - began
        loop.call_later(BEAT_S, self._beat, loop, began)
