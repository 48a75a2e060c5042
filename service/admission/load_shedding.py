"""How long a request would wait, so that what cannot be answered in time is refused before it costs anything.

An event loop reads every socket that has something before it goes on with what it has read. Under more load than it can
bear, one such turn takes long, and a request needs several: to be read, begun, computed and answered. So what is begun
at a time is bounded, what is read beyond that waits its turn, and a request is refused at once where the turns that it
needs and the work before it leave it no time. Work on it would be lost, and then the next one's deadline would be too.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

Begin = Callable[[], None]


class Turn(NamedTuple):
    """A request that waits to be begun."""

    begin: Begin
    refuse: Begin
    by: float
    """Until when (time.monotonic) it is worth beginning."""


_SHARE = 0.1
"""Of a request's time, at most, may be spent on waiting: the estimate lags behind a growing load, and what comes while
a longer queue is worked off fills every socket."""
_SHORT_S = 0.05
"""A wait that is no reason to refuse anybody: shorter ones are not known."""
_STANDING_S, _STANDING = 0.006, 96
"""What may wait while others are refused: so long, or so many answers. A queue that only ever stands serves nobody, and
what was read a tenth of a second ago is in no cache any more (Maurer, "Fail at Scale", ACM Queue 13(8), 2015: the
longer time is for bursts)."""
_LEAST = 24
"""What a part of a turn may begin however long turns are, so that refusing never takes all of the time: where more
comes than can even be refused, somebody is answered all the same."""
_OVERLOAD_S, _OVERLOADED = 0.5, 0.1
"""How long it is overloaded after a request that had to be refused, or a moment in which so many were, as a share of
those that were answered. Few refusals by the shorter bound prove nothing: without them the rest may be borne."""
_TURNS = 2
"""Of the event loop, that a request needs: to be read in, and to be answered in."""
_A_TURN = 128
"""Requests that are begun in one turn."""
_A_CROWDED_TURN, _CROWD = 32, 256
"""The same where so many wait, or others are refused. What comes during a turn is read in the next one, so under load
turns become as many times longer as there is less time left beside refusing, and what was read grows cold: sockets,
buffers and objects of a few hundred requests are in no cache of a core."""
_LONG_TURN_S = 0.01
"""A turn that reads from thousands of sockets takes a second; what it began is not left waiting for its end."""
_FRESH_S = 0.5
_FIRST_GUESS_S = 150e-6
_SMOOTHING = 0.3
_REFUSAL = 0.3
"""A refusal's cost, as a share of an answer's."""


class Congestion:
    """Of one event loop."""

    def __init__(self) -> None:
        self.answered = self.refused = 0
        self.refusing = False
        """Whether the last request that was looked at came too late."""
        self._pace_s = _FIRST_GUESS_S
        self._seen = (0, 0)
        self._overload_ends = self._refused_timeout_s = 0.0
        """Until when it is overloaded, and the longest time that did not help somebody."""
        self._waiting: deque[Turn] = deque()
        self.after_turn: Callable[[], None] = lambda: None
        """Called when many have been begun, so that what they wait for need not wait for the next turn."""
        self._begun = 0
        self._turn_s = self._turn_ended = 0.0
        self._measuring: float | None = None
        self._part_began = self._part_s = self._longest_s = 0.0
        """A part of a turn ends where what it has begun is about to be answered: the longest of the last turn, and of
        this one."""
        self._settled_timeout_s = -1.0
        """Requests with no more time than this are refused until the next answer, or the end of this part."""

    def refuses(self, there: int, timeout_s: float, now: float | None = None) -> bool:
        """Whether a request with so much time comes too late, where so many others are being answered.

        `now` is what time.monotonic says, where it has just been asked.
        """
        before, now = there + len(self._waiting), time.monotonic() if now is None else now
        if now >= self._overload_ends:
            self._refused_timeout_s = 0.0
        if not before:  # a turn that took long is over
            self.refusing = False
            return False
        work_s, bearable_s = before * self._pace_s, max(_SHORT_S, _SHARE * timeout_s)
        if _TURNS * self._a_turn_s(now) + work_s > bearable_s:
            self._overload_ends = now + _OVERLOAD_S
            self._refused_timeout_s = max(self._refused_timeout_s, timeout_s)
            self.refusing = before >= _LEAST or _TURNS * self._a_part_s(now) + work_s > bearable_s
        elif timeout_s <= self._refused_timeout_s:  # who has more time than any that was refused may use it
            standing_s = max(_STANDING_S, _STANDING * self._pace_s)
            in_parts_s = _TURNS * self._a_part_s(now) + work_s
            self.refusing = before >= _LEAST and in_parts_s > min(bearable_s, standing_s)
        else:
            self.refusing = False
        self.refused += self.refusing
        if self.refusing and self._measuring is not None:
            self._settled_timeout_s = max(self._settled_timeout_s, timeout_s)
        return self.refusing

    def still_refuses(self, timeout_s: float, now: float) -> bool:
        """Whether a request comes too late because one with as much time did, and nothing was answered since.

        What refusing costs is taken from the answers: this asks for nothing again.
        """
        if timeout_s > self._settled_timeout_s or now - self._part_began > _LONG_TURN_S:
            return False
        self.refused += 1
        self.refusing = True
        return True

    def one_answered(self) -> None:
        """There is room for another."""
        self.answered += 1
        self._settled_timeout_s = -1.0

    def _a_turn_s(self, now: float) -> float:
        """How long turns of the loop take: the last one did, or this one does already."""
        began = now if self._measuring is None else self._measuring
        return max(now - began, self._turn_s if began - self._turn_ended < _FRESH_S else 0.0)

    def _a_part_s(self, now: float) -> float:
        """The same of the parts that they are answered in."""
        part_s = 0.0 if self._measuring is None else now - self._part_began
        return max(part_s, self._part_s, self._longest_s)

    def measure(self, now: float | None = None) -> None:
        """Something has been read: find out how long this turn of the loop takes. `now` as in `refuses`."""
        now = time.monotonic() if now is None else now
        if self._measuring is None:
            self._measuring = self._part_began = now
            asyncio.get_running_loop().call_soon(self._next_turn)
        elif now - self._part_began > _LONG_TURN_S:
            self._longest_s = max(self._longest_s, now - self._part_began)
            self._begin_waiting(now)

    def begins_now(self) -> bool:
        """Whether one more request may be begun in this turn of the loop; it counts as begun then, else it `waits`."""
        if self._waiting or self._begun >= self._most_begun:
            return False
        self._begun += 1
        return True

    def waits(self, begin: Begin, refuse: Begin, timeout_s: float) -> None:
        """Call `begin` in a later turn of the loop or, where that does not come in time, `refuse`."""
        self.measure()
        self._waiting.append(Turn(begin, refuse, time.monotonic() + max(_SHORT_S, _SHARE * timeout_s)))

    @property
    def _most_begun(self) -> int:
        """In one turn."""
        return _A_CROWDED_TURN if self._refused_timeout_s or len(self._waiting) >= _CROWD else _A_TURN

    @property
    def crowded(self) -> bool:
        """Whether requests wait for their turn."""
        return bool(self._waiting)

    def start_looking(self) -> None:
        """Count from here on."""
        self._seen = (self.answered, self.refused)

    def look(self, worked_s: float, *, busy: bool) -> None:
        """So much time was worked since the last look; `busy` where there was work all the time.

        What was not busy could have answered more, so its pace is the slowest that the true one may be. Without it, a
        pace that was learnt while the process stood still would let in one request at a time, and never be corrected.
        """
        answered, refused = self.answered - self._seen[0], self.refused - self._seen[1]
        self._seen = (self.answered, self.refused)
        now = time.monotonic()
        if now < self._overload_ends and refused > _OVERLOADED * answered:
            self._overload_ends = now + _OVERLOAD_S
        if answered:
            pace_s = worked_s / (answered + _REFUSAL * refused)
            self._pace_s = self._pace_s + _SMOOTHING * (pace_s - self._pace_s) if busy else min(self._pace_s, pace_s)

    def _next_turn(self) -> None:
        """Once a turn, for as long as there is something to begin: the loop does not sleep in between."""
        now = time.monotonic()
        if self._measuring is not None:
            self._part_s, self._longest_s = max(self._longest_s, now - self._part_began), 0.0
            self._turn_s, self._turn_ended = now - self._measuring, now
        self._measuring, self._begun, self._settled_timeout_s = None, 0, -1.0
        if self._waiting:
            self._measuring = now
            asyncio.get_running_loop().call_soon(self._next_turn)
            self._begin_waiting(now)

    def _begin_waiting(self, now: float) -> None:
        """Begin as many as a turn may, and have them answered.

        It may be the turn of another connection, so whatever is raised is the loop's to hear.
        """
        self._begun, self._settled_timeout_s = 0, -1.0
        most = self._most_begun
        while self._waiting and self._begun < most:
            turn = self._waiting.popleft()
            if now > turn.by:
                self.refused += 1
                _safely(turn.refuse)
            else:
                self._begun += 1
                _safely(turn.begin)
        _safely(self.after_turn)
        self._part_began = time.monotonic()


def _safely(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - the others go on
        context = {"message": "a request could not be begun", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
