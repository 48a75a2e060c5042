"""Load shedding: refuse a request that would wait too long, before any work is spent on it.

The wait is estimated by Little's law: requests in flight × seconds per answer. In a burst, a request may wait for a
share of its own deadline. The first refusal shows that the queue is a standing one: it delays all requests and helps
none. Until the overload ends, only a short queue may stand (CoDel: Nichols & Jacobson, "Controlling Queue Delay", ACM
Queue 10(5), 2012; for servers: Maurer, "Fail at Scale", ACM Queue 13(8), 2015).

`should_shed` decides and changes nothing; `record_shed` counts. Knows nothing of HTTP or of the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_SHARE = 0.1
"""The share of its deadline that a request may wait in a burst. The estimate lags behind a growing load, and a longer
queue fills every socket while it is worked off."""
STANDING_S = 0.006
"""Seconds of work that may wait during an overload: enough for the engine's next batch. 25 ms gave the same goodput,
but waits of 25 to 50 ms (measured with one-image requests of 70 µs)."""
INTERVAL_S = 0.5
"""An overload ends after so many seconds without enough refusals (`SHED_SHARE`)."""
SHED_SHARE = 0.1
"""An overload goes on while refusals are more than this share of answers: with fewer, all requests could be served."""
MIN_IN_FLIGHT = 32
"""With fewer requests in flight none is refused: refusals must not use all the time, and slow answers share calls."""
FIRST_GUESS_S = 150e-6
"""Seconds per answer before the first measurement."""


class LoadShedder:
    """Decides whether a new request is refused, and measures the seconds per answer. One for each event loop."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        """`clock` is a monotonic clock, `cpu_clock` the CPU time of this process; both in seconds."""
        self._clock, self._cpu_clock = clock, cpu_clock
        self.seconds_per_answer = FIRST_GUESS_S
        self._measured_at = clock(), cpu_clock(), 0
        """The last measurement: time, CPU time, number of answers until then."""
        self._shed = 0
        """Requests refused since the last measurement."""
        self._overload_ends = 0.0
        self._shed_timeout_s = 0.0
        """The longest timeout refused in this overload. A request with a longer one may still wait as in a burst."""

    def burst_wait_s(self, timeout_s: float) -> float:
        """How long a request with this timeout may wait in a burst."""
        return BURST_SHARE * timeout_s

    def longest_wait_s(self, timeout_s: float) -> float:
        """How long a request with this timeout may wait now, in a burst or in an overload."""
        burst_s = self.burst_wait_s(timeout_s)
        overloaded = timeout_s <= self._shed_timeout_s and self._clock() < self._overload_ends
        return min(STANDING_S, burst_s) if overloaded else burst_s

    def should_shed(self, in_flight: int, timeout_s: float) -> bool:
        """Whether one more request with this timeout would wait too long behind the requests in flight."""
        return in_flight >= MIN_IN_FLIGHT and in_flight * self.seconds_per_answer > self.longest_wait_s(timeout_s)

    def record_shed(self, timeout_s: float) -> None:
        """Count a refused request with this timeout; the first one begins an overload."""
        self._shed += 1
        now = self._clock()
        if now >= self._overload_ends:
            self._overload_ends, self._shed_timeout_s = now + INTERVAL_S, timeout_s
        self._shed_timeout_s = max(self._shed_timeout_s, timeout_s)

    def measure(self, answered: int, *, busy: bool) -> None:
        """Measure the seconds per answer from the number of answers so far; `busy`: there was work all the time.

        Waiting for a slow body or for a version to load is no work. A process that was not busy could have answered
        more requests, so its figure is only an upper bound.
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
