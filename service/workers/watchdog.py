"""The watchdog finds workers that stand still: alive, but their event loop does not turn, so nobody is answered."""

from __future__ import annotations

from service.workers.heartbeats import BEAT_S

_SHORTEST_S = 4 * BEAT_S
"""A worker that answers may be late by a beat or two."""
_START_TIMES, _SHORTEST_START_S = 10, 120.0
"""How much longer a worker may take until its event loop turns: imports are slow where many workers start at once."""


class Watchdog:
    """Watches one worker's heartbeat. Ask it in turn with others, every `look_s` seconds or so."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s` is for how long a worker may stand still; 0 for ever."""
        self._limit_s = max(_SHORTEST_S, limit_s) if limit_s else 0.0
        self._beat = self._still_s = 0.0

    @property
    def look_s(self) -> float | None:
        """Seconds between two looks; None where none is needed."""
        return min(1.0, self._limit_s / 8) if self._limit_s else None

    def stands_still(self, beat: float, passed_s: float) -> bool:
        """Whether the worker stands still; `beat` is its heartbeat now, `passed_s` the time since the last look.

        A look that comes late counts as one in time: the whole container was paused, or the supervisor.
        """
        if self.look_s is None:
            return False
        if beat == self._beat:
            self._still_s += min(passed_s, 2 * self.look_s)
        else:
            self._beat, self._still_s = beat, 0.0
        limit_s = self._limit_s if beat else max(_START_TIMES * self._limit_s, _SHORTEST_START_S)
        return self._still_s >= limit_s
