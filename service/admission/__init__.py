"""Admission control: which requests are let in, when they begin, and until when they are worked for."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.admission.deadlines import Deadlines
from service.admission.load_shedding import LoadShedder
from service.admission.turns import Turns

__all__ = ["Admission"]


class Admission:
    """Admission control of one event loop."""

    def __init__(self, turn_requests: int, clock: Callable[[], float] = time.monotonic) -> None:
        """A turn of the event loop begins at most `turn_requests`; `clock` gives seconds that only grow."""
        self.shedder = LoadShedder(clock)
        self.turns = Turns(turn_requests, self.shedder.burst_wait_s, clock)
        self.deadlines = Deadlines(self._measure)

    @property
    def in_flight(self) -> int:
        """Requests that were let in and are not answered yet."""
        return len(self.deadlines.requests) + self.turns.begun + len(self.turns.waiting)

    def should_shed(self, timeout_s: float) -> bool:
        """Whether one more request, which has so much time, would wait too long."""
        return self.shedder.should_shed(self.in_flight, timeout_s)

    def _measure(self) -> None:
        busy = not self.deadlines.rested or bool(self.turns.waiting)
        self.shedder.measure(self.deadlines.ended, busy=busy)
