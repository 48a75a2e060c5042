"""Admission control: which requests are let in, when each one begins, and its deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.admission.deadlines import Deadlines
from service.admission.load_shedding import LoadShedder
from service.admission.turns import Turns

__all__ = ["Admission"]


class Admission:
    """The admission control of one worker process: load shedding, turns and deadlines. Not thread-safe."""

    def __init__(self, turn_requests: int, clock: Callable[[], float] = time.monotonic) -> None:
        """One turn of the event loop begins at most `turn_requests`; `clock` is a monotonic clock in seconds."""
        self.shedder = LoadShedder(clock)
        self.turns = Turns(turn_requests, self.shedder.burst_wait_s, clock)
        self.deadlines = Deadlines(self._measure)

    @property
    def in_flight(self) -> int:
        """Number of requests that were let in and are not answered yet."""
        return len(self.deadlines.requests) + self.turns.begun + len(self.turns.waiting)

    def should_shed(self, timeout_s: float) -> bool:
        """Whether one more request with a deadline in `timeout_s` would wait too long."""
        return self.shedder.should_shed(self.in_flight, timeout_s)

    def _measure(self) -> None:
        busy = not self.deadlines.rested or bool(self.turns.waiting)
        self.shedder.measure(self.deadlines.ended, busy=busy)
