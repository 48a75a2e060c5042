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
        "_deadline",
        "_listener",
        "_reading",
        "_receive",
        "_received_bytes",
        "_seen",
        "_task",
        "_timer",
        "reason",
    )

    def __init__(
        self, task: asyncio.Task[object], receive: Receive, deadline: float, body_until: float, body_timeout_s: float
    ) -> None:
        """`deadline` and `body_until` (for the whole body) are times of time.monotonic."""
        self._task, self._receive = task, receive
        self._deadline, self._body_timeout_s = deadline, body_timeout_s
        self._reading: float | None = body_until
        self._received_bytes = 0
        self._seen = False
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self.reason: Callable[[], Exception] | None = None
        """Makes the error to raise, where this deadline cancelled the task; else None."""

    def received(self, body_bytes: int) -> None:
        """Record how many bytes of the body have arrived."""
        self._received_bytes = body_bytes

    def body_is_read(self) -> None:
        """Record that the body is whole: the body's time limit ends, and listening for a hang-up may begin."""
        self._reading = None
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

    def look(self, now: float) -> None:
        """Start a timer where the deadline falls before the next look; listen for a hang-up from the second look."""
        limit = self._deadline if self._reading is None else self._reading
        if self._timer is None and limit - now <= LOOK_S:
            self._timer = self._task.get_loop().call_later(max(0.0, limit - now), self._expire)
        if not self._seen:
            self._seen = True
        elif self._reading is None and self._listener is None:
            self._listener = self._task.get_loop().create_task(self._listen())

    def _expire(self) -> None:
        now = time.monotonic()
        if now < (self._deadline if self._reading is None else self._reading):  # the loop's clock may run ahead
            self._timer = None
            self.look(now)
        elif now >= self._deadline:
            self._cancel(_LATE)
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
        self._ticking = False
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
        body_until = min(deadline, now + body_timeout_s)
        begun = Deadline(task, receive, deadline, body_until, body_timeout_s)
        self.requests.add(begun)
        if not self._ticking:
            self._ticking = True
            task.get_loop().call_later(LOOK_S, self._look)
        if body_until - now < LOOK_S:
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
        for deadline in self.requests:
            deadline.look(now)
