"""Turns: how many requests one turn of the event loop begins.

An event loop reads every socket that has something before it goes on with what it has read. After a burst, one turn
would begin thousands of requests, and nobody would be answered before the last was parsed. So a turn begins as many as
fit one engine call. The rest wait, first come, first served.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Entry(Protocol):
    """A request that is to begin."""

    timeout_s: float
    """How long it may take."""

    def begin(self) -> None:
        """Begin: it is its turn."""

    def expire(self) -> None:
        """Give up: its turn has come too late."""


class Turns:
    """Of one event loop."""

    def __init__(
        self, most: int, longest_wait_s: Callable[[float], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A turn begins at most `most` requests.

        `longest_wait_s` says how long a request with so many seconds may wait for its turn; `clock` gives seconds that
        only grow.
        """
        self._most, self._longest_wait_s, self._clock = most, longest_wait_s, clock
        self.begun = 0
        """Requests that this turn has begun."""
        self.waiting: deque[tuple[Entry, float]] = deque()
        """Requests that wait for their turn, and until when."""

    def enter(self, entry: Entry) -> None:
        """Begin a request in this turn of the loop, or in a later one."""
        if self.waiting or self.begun >= self._most:
            self.waiting.append((entry, self._clock() + self._longest_wait_s(entry.timeout_s)))
            return
        if not self.begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self.begun += 1
        entry.begin()

    def _next_turn(self) -> None:
        """Called once in each turn for as long as there is something to begin."""
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
            except Exception as error:  # noqa: BLE001 - the others go on
                context = {"message": "a request could not be begun", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        if self.begun or self.waiting:
            asyncio.get_running_loop().call_soon(self._next_turn)
