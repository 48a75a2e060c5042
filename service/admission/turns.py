"""Turns: limits how many requests one turn of the event loop begins, and queues the others.

An event loop reads all sockets with data before it works on any of the requests. After a burst, one turn would begin
thousands of requests, and none would be answered before the last was parsed. So one turn begins as many requests as
fit into one engine call. The others wait in a queue, first in, first out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Entry(Protocol):
    """A whole request that waits for its turn."""

    timeout_s: float
    """How long the request may take."""

    def begin(self) -> None:
        """Start to answer the request: its turn has come."""

    def expire(self) -> None:
        """Refuse the request: its turn has come too late."""


class Turns:
    """The queue of whole requests that wait to begin. One for each event loop."""

    def __init__(
        self, most: int, longest_wait_s: Callable[[float], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A turn begins at most `most` requests.

        `longest_wait_s` is given a request's timeout, and returns how long the request may wait for its turn; `clock`
        is a monotonic clock in seconds.
        """
        self._most, self._longest_wait_s, self._clock = most, longest_wait_s, clock
        self.begun = 0
        """Number of requests that this turn has begun."""
        self.waiting: deque[tuple[Entry, float]] = deque()
        """Requests that wait for their turn, each with the time until which it may wait."""

    def enter(self, entry: Entry) -> None:
        """Begin a request now, or queue it where this turn has begun enough requests."""
        if self.waiting or self.begun >= self._most:
            self.waiting.append((entry, self._clock() + self._longest_wait_s(entry.timeout_s)))
            return
        if not self.begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self.begun += 1
        entry.begin()

    def _next_turn(self) -> None:
        """Begin the next waiting requests. Called once in each turn of the event loop until none is left."""
        self.begun = 0
        now = self._clock()
        while self.waiting and self.begun < self._most:
            entry, until = self.waiting.popleft()
            call = entry.begin
            if now > until:
                call = entry.expire
            else:
                self.begun += 1
            try:
                call()
            except Exception as error:  # noqa: BLE001 - other requests go on
                context = {"message": "a request could not be begun", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        if self.begun or self.waiting:
            asyncio.get_running_loop().call_soon(self._next_turn)
