"""Looking for the next request of a client that sends it at once.

A CPU that goes to sleep between an answer and the next request takes tens of microseconds to wake, in a virtual machine
above all, which is why kernels poll before they halt (Linux' haltpoll). So where one client alone asks again and again,
and faster than that is worth, the event loop looks for its next request for a moment before it sleeps.
"""

from __future__ import annotations

import asyncio
import time


class Polling:
    """Of one event loop."""

    def __init__(self, most_s: float) -> None:
        """`most_s` is how long to look, after an answer; who takes longer to ask again is not looked for at all."""
        self._most_s = most_s
        self._quick = self._resting = False
        self._rests_since = 0.0
        self.under_way = False
        """Whether the loop does not sleep."""

    def asked(self, *, alone: bool) -> None:
        """A request has come; `alone` where its client, and nobody else, sent the one before it too."""
        self._resting = False
        self._quick = alone and time.monotonic() - self._rests_since < self._most_s

    def rests(self) -> None:
        """Everything is answered."""
        self._resting, self._rests_since = True, time.monotonic()
        if self._quick and not self.under_way:
            self.under_way = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """A turn of the loop that does not sleep."""
        if self._resting and time.monotonic() - self._rests_since < self._most_s:
            asyncio.get_running_loop().call_soon(self._look)
        else:
            self.under_way = False
