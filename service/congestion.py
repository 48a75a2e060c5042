"""How far behind the event loop is, so that what cannot be answered in time is refused before it costs anything.

A request that waits unread in its socket is seen by nobody. What can be seen is how late the loop's clock is, which is
how long such a request has waited, and how long the requests that are there already will take at the pace of the last
moments. A request that these leave no time for is refused at once: work on it would be lost, and then the next one's
deadline would be too.
"""

from __future__ import annotations

_SHARE = 1.0 / 3.0
"""Of a request's time, at most, may be spent on waiting: the estimate lags behind a growing load."""
_SHORT_S = 0.05
"""A wait that is no reason to refuse anybody: shorter ones are not known."""
_FIRST_GUESS_S = 150e-6
_SMOOTHING = 0.3
_REFUSAL = 0.4
"""A refusal's cost, as a share of an answer's."""


class Congestion:
    """Of one event loop."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        self.answered = self.refused = 0
        self._pace_s = _FIRST_GUESS_S
        self._seen = (0, 0)

    def refuses(self, there: int, timeout_s: float) -> bool:
        """Whether a request with so much time comes too late, where so many others are being answered."""
        if self.lag_s + there * self._pace_s <= max(_SHORT_S, _SHARE * timeout_s):
            return False
        self.refused += 1
        return True

    def look(self, late_s: float, passed_s: float, *, busy: bool) -> None:
        """The clock struck `late_s` after its time, `passed_s` after it last struck; `busy` where there was work
        all the time."""
        self.lag_s = late_s
        answered, refused = self.answered - self._seen[0], self.refused - self._seen[1]
        self._seen = (self.answered, self.refused)
        if busy and answered:
            pace_s = passed_s / (answered + _REFUSAL * refused)
            self._pace_s += _SMOOTHING * (pace_s - self._pace_s)

    def rest(self) -> None:
        """There is nothing to do."""
        self.lag_s = 0.0
