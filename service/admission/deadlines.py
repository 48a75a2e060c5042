"""Deadlines: cancel a request when its body is late, its deadline passes, or its client hangs up.

Most requests end within a few milliseconds, so a timer for each would be a waste. One clock looks at all requests every
50 ms. A request whose deadline falls before the next look gets a timer. A request that was also there at the last look
gets a task that listens for the client's hang-up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.errors import BodyTimeout, DeadlineExceeded

LOOK_S = 0.05
"""Seconds between two looks at the requests in flight."""
_LATE = partial(DeadlineExceeded, "the answer was not ready before the request's deadline")


class Deadline:
    """The deadline of one request: cancels the request's task, and remembers the reason."""

    __slots__ = (
        "_body_timeout_s",
        "_body_until",
        "_deadline",
        "_is_body_read",
        "_listener",
        "_receive",
        "_received_bytes",
        "_seen",
        "_task",
        "_timer",
        "reason",
    )

    def __init__(self, task: asyncio.Task[object], receive: Receive, deadline: float, body_timeout_s: float) -> None:
        """`deadline` is a time of time.monotonic."""
        self._task, self._receive = task, receive
        self._deadline, self._body_timeout_s = deadline, body_timeout_s
        self._body_until: float | None = None
        """Until when the body may arrive; None while nobody waits for it."""
        self._is_body_read = False
        self._received_bytes = 0
        self._seen = False
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self.reason: Callable[[], Exception] | None = None
        """Makes the error to raise, where this deadline cancelled the task; else None."""

    def wait_for_body(self) -> None:
        """Give the client its time for the body, from now on: what came before was the service's own time."""
        now = time.monotonic()
        self._body_until = now + self._body_timeout_s
        if self._limit - now < LOOK_S:
            self.look(now)

    def received(self, body_bytes: int) -> None:
        """Record how many bytes of the body have arrived."""
        self._received_bytes = body_bytes

    def body_is_read(self) -> None:
        """Record that the body is whole: the body's time limit ends, and listening for a hang-up may begin."""
        self._body_until, self._is_body_read = None, True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.look(time.monotonic())

    def end(self) -> None:
        """Stop the timer and the listener: the request is answered."""
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def look(self, now: float, stalled_s: float = 0.0) -> None:
        """Start a timer where the deadline falls before the next look; listen for a hang-up from the second look.

        For `stalled_s` the event loop read nothing: this time is given back to a body that is waited for.
        """
        if self._body_until is not None:
            self._body_until += stalled_s
        left_s = self._limit - now
        if self._timer is None and left_s <= LOOK_S:
            self._timer = self._task.get_loop().call_later(max(0.0, left_s), self._expire)
        if not self._seen:
            self._seen = True
        elif self._is_body_read and self._listener is None:
            self._listener = self._task.get_loop().create_task(self._listen())

    @property
    def _limit(self) -> float:
        return self._deadline if self._body_until is None else min(self._deadline, self._body_until)

    def _expire(self) -> None:
        now = time.monotonic()
        late_s = now - self._limit
        if now >= self._deadline:
            self._cancel(_LATE)
        elif late_s < 0 or late_s > LOOK_S:  # the loop's clock ran ahead; or the loop stood still, and read nothing
            self._timer = None
            self.look(now, late_s + LOOK_S if late_s > 0 else 0.0)
        else:
            self._cancel(self._body_late)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel(ClientDisconnect)

    def _cancel(self, reason: Callable[[], Exception]) -> None:
        self.reason = reason
        self._task.cancel()

    def _body_late(self) -> Exception:
        detail = f"the body did not arrive within {self._body_timeout_s:g} s; {self._received_bytes} bytes came"
        error = BodyTimeout(detail)
        error.headers["Connection"] = "close"
        return error


class Deadlines:
    """The deadlines of all requests of one event loop. The clock stops while no request is in flight."""

    def __init__(self, on_look: Callable[[], None] = lambda: None) -> None:
        """`on_look` is called every 50 ms while requests are in flight, and once after the last."""
        self._on_look = on_look
        self.requests: set[Deadline] = set()
        """Deadlines of the requests that have begun and not ended."""
        self._ticking, self._next_look = False, 0.0
        self.ended = 0
        """Number of requests that have ended since the process started."""
        self.rested = True
        """Whether the process had a moment without requests since the last look."""

    def begin(self, receive: Receive, deadline: float, body_timeout_s: float) -> Deadline:
        """Set the deadline (time.monotonic) of the request that the current task answers; the caller calls `end`."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is answered in a task")
        now = time.monotonic()
        begun = Deadline(task, receive, deadline, body_timeout_s)
        self.requests.add(begun)
        if not self._ticking:
            self._ticking = True
            self._next_look = now + LOOK_S
            task.get_loop().call_later(LOOK_S, self._look)
        if deadline - now < LOOK_S:
            begun.look(now)
        return begun

    def end(self, deadline: Deadline) -> None:
        """End the deadline of a request that is answered or given up; a second call does nothing."""
        if deadline not in self.requests:
            return
        self.requests.discard(deadline)
        self.ended += 1
        if not self.requests:
            self.rested = True
        deadline.end()

    def _look(self) -> None:
        self._on_look()
        self.rested = not self.requests
        if not self.requests:
            self._ticking = False
            return
        asyncio.get_running_loop().call_later(LOOK_S, self._look)
        now = time.monotonic()
        stalled_s, self._next_look = max(0.0, now - self._next_look), now + LOOK_S
        for deadline in self.requests:
            deadline.look(now, stalled_s)
