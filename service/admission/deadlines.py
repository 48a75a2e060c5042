"""Deadlines: a request is worked for until its body is late, its deadline passes, or its client has hung up.

Most requests are over within a few milliseconds and should not pay for a timer. So one clock looks at all of them every
50 ms. It gives a timer to every deadline that falls before its next look, and begins to listen for a hang-up where a
request was there at its last look too.
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
"""Between two looks at the requests in flight."""
_LATE = partial(DeadlineExceeded, "the answer was not ready before the request's deadline")


class Deadline:
    """Of one request: cancels its task, and knows why."""

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
        """`deadline` and `body_until` are on the clock of time.monotonic."""
        self._task, self._receive = task, receive
        self._deadline, self._body_timeout_s = deadline, body_timeout_s
        self._reading: float | None = body_until
        self._received_bytes = 0
        self._seen = False
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self.reason: Callable[[], Exception] | None = None
        """Makes the error that a cancellation stands for, where it came from here."""

    def received(self, body_bytes: int) -> None:
        """So much of the body is there."""
        self._received_bytes = body_bytes

    def body_is_read(self) -> None:
        """The body is whole: from now on the client may be listened to for hanging up."""
        self._reading = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.look(time.monotonic())

    def end(self) -> None:
        """The request is answered."""
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def look(self, now: float) -> None:
        """Take care of what falls before the next look."""
        limit = self._deadline if self._reading is None else self._reading
        if self._timer is None and limit - now <= LOOK_S:
            self._timer = self._task.get_loop().call_later(max(0.0, limit - now), self._expire)
        if not self._seen:
            self._seen = True
        elif self._reading is None and self._listener is None:
            self._listener = self._task.get_loop().create_task(self._listen())

    def _expire(self) -> None:
        now = time.monotonic()
        if now < (self._deadline if self._reading is None else self._reading):  # the loop's clock runs ahead of ours
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
    """The deadlines of all requests of an event loop. Its clock stands still while there are none."""

    def __init__(self, on_look: Callable[[], None] = lambda: None) -> None:
        """`on_look` is called every 50 ms while requests are in flight, and once after the last."""
        self._on_look = on_look
        self.requests: set[Deadline] = set()
        """Those that have begun and are not over."""
        self._ticking = False
        self.ended = 0
        """Requests that are over, since the start."""
        self.rested = True
        """Whether there was a moment without requests since the last look."""

    def begin(self, receive: Receive, deadline: float, body_timeout_s: float) -> Deadline:
        """The deadline (time.monotonic) of the request that the current task answers; `end` is called for each."""
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
        """A request is answered, or given up; nothing where that was said before."""
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
