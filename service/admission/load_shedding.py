"""Load shedding: a request that would wait too long is refused at once, before anything is spent on it.

The wait is estimated by Little's law: requests in flight, times the seconds that one answer takes. A burst may wait for
a share of its own deadline. Once somebody had to be refused, the queue is a standing one: it makes everybody late and
serves nobody. Until that is over, only a short queue may stand (CoDel: Nichols & Jacobson, "Controlling Queue Delay",
ACM Queue 10(5), 2012; for servers: Maurer, "Fail at Scale", ACM Queue 13(8), 2015).

`should_shed` decides and changes nothing; the `record_…` methods count. Knows nothing of HTTP or of the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_SHARE = 0.1
"""Of its time a request may wait in a burst. The estimate lags behind a growing load, and a longer queue fills every
socket while it is worked off."""
STANDING_S = 0.006
"""What may wait during an overload, seconds of work: enough for the engine's next batch. 25 ms gave the same goodput
and waits of 25 to 50 ms; it was measured with one-image requests of 70 µs."""
INTERVAL_S = 0.5
"""An overload ends after this long without a reason to go on."""
SHED_SHARE = 0.1
"""Refusals, as a share of answers, that make an overload go on: without fewer than these, the rest could be borne."""
MIN_IN_FLIGHT = 32
"""So few in flight are never refused: refusing must not take all of the time, and slow answers share engine calls."""
FIRST_GUESS_S = 150e-6
"""Of an answer, before one was measured."""


class LoadShedder:
    """Of one event loop."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        """`clock` and `cpu_clock` give seconds that only grow: of the world, and of work that this process has done."""
        self._clock, self._cpu_clock = clock, cpu_clock
        self.seconds_per_answer = FIRST_GUESS_S
        self._measured_at = clock(), cpu_clock(), 0
        """The moment, the work done and the answers given until then."""
        self._shed = 0
        """Since then."""
        self._overload_ends = 0.0
        self._shed_timeout_s = 0.0
        """The longest deadline that was refused in this overload. Who has more time may wait as in a burst."""

    def burst_wait_s(self, timeout_s: float) -> float:
        """How long a request that has so much time may wait in a burst."""
        return BURST_SHARE * timeout_s

    def longest_wait_s(self, timeout_s: float) -> float:
        """How long it may wait now."""
        burst_s = self.burst_wait_s(timeout_s)
        overloaded = timeout_s <= self._shed_timeout_s and self._clock() < self._overload_ends
        return min(STANDING_S, burst_s) if overloaded else burst_s

    def should_shed(self, in_flight: int, timeout_s: float) -> bool:
        """Whether one more request, which has so much time, would wait too long behind those in flight."""
        return in_flight >= MIN_IN_FLIGHT and in_flight * self.seconds_per_answer > self.longest_wait_s(timeout_s)

    def record_shed(self, timeout_s: float) -> None:
        """A request that had so much time was refused."""
        self._shed += 1
        now = self._clock()
        if now >= self._overload_ends:
            self._overload_ends, self._shed_timeout_s = now + INTERVAL_S, timeout_s
        self._shed_timeout_s = max(self._shed_timeout_s, timeout_s)

    def measure(self, answered: int, *, busy: bool) -> None:
        """Learn what an answer takes, from the number of all answers so far; `busy` where there always was work.

        Waiting for a slow body or for a version that loads is no work. Who was not busy could have answered more: the
        figure is then no more than an upper bound.
        """
        now, cpu = self._clock(), self._cpu_clock()
        (before, cpu_before, answered_before), self._measured_at = self._measured_at, (now, cpu, answered)
        shed, self._shed = self._shed, 0
        answers = answered - answered_before
        if now < self._overload_ends and shed > SHED_SHARE * answers:
            self._overload_ends = now + INTERVAL_S
        if not answers:
            return
        measured_s = min(now - before, cpu - cpu_before) / answers
        mean_s = (self.seconds_per_answer + measured_s) / 2
        self.seconds_per_answer = mean_s if busy else min(self.seconds_per_answer, measured_s)
