"""How long a request is worked for: until its body is late, its deadline passes, or its client has hung up.

Most requests are over within a few milliseconds and should not pay for a timer of their own. So one clock for all
looks every 50 ms at who is still there: it listens for a hang-up of whoever was there at its last look too and waits
for an answer, and gives every deadline that falls before its next look a timer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.admission.load_shedding import Congestion
from service.errors import BodyTimeout, DeadlineExceeded
from service.polling import Polling

LOOK_S = 0.05
"""Between two looks at who is there."""


class Waiting(Protocol):
    """Something that waits for its answer."""

    def look(self, now: float) -> None:
        """Take care of what falls before the next look."""

    def end(self) -> None:
        """The answer is there."""


class Patience:
    """Of one request: cancels its task, and knows why."""

    __slots__ = (
        "_body_timeout_s",
        "_came",
        "_deadline",
        "_reading",
        "_receive",
        "_seen",
        "_task",
        "_timer",
        "_watcher",
        "why",
    )

    def __init__(self, task: asyncio.Task[object], receive: Receive, deadline: float, body_timeout_s: float) -> None:
        """`deadline` is on the clock of time.monotonic; the body may take `body_timeout_s` from now."""
        self._task, self._receive = task, receive
        self._deadline, self._body_timeout_s = deadline, body_timeout_s
        self._reading: float | None = min(deadline, time.monotonic() + body_timeout_s)
        self._came = 0
        self._seen = False
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.why: Callable[[], Exception] | None = None
        """Makes the error that the cancellation stands for, where it came from here."""

    def came(self, size: int) -> None:
        """So many bytes of the body are there."""
        self._came = size

    def body_is_read(self) -> None:
        """From now on the client may be listened to for hanging up."""
        self._reading = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """The answer is there."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def look(self, now: float) -> None:
        """Take care of what falls before the next look."""
        limit = self._deadline if self._reading is None else self._reading
        if self._timer is None and limit - now <= LOOK_S:
            self._timer = self._task.get_loop().call_later(max(0.0, limit - now), self._expire)
        if not self._seen:
            self._seen = True
        elif self._reading is None and self._watcher is None:
            self._watcher = self._task.get_loop().create_task(self._listen())

    def _expire(self) -> None:
        now = time.monotonic()
        if now < (self._deadline if self._reading is None else self._reading):  # the loop's clock runs ahead of ours
            self._timer = None
            self.look(now)
        elif now >= self._deadline:
            self._give_up(_late)
        else:
            self._give_up(self._body_late)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._give_up(ClientDisconnect)

    def _give_up(self, why: Callable[[], Exception]) -> None:
        self.why = why
        self._task.cancel()

    def _body_late(self) -> Exception:
        error = BodyTimeout(f"the body did not arrive within {self._body_timeout_s:g} s; {self._came} bytes came")
        error.headers["Connection"] = "close"
        return error


class Watch:
    """The clock of all requests of an event loop; it stands still while there are none."""

    def __init__(self, poll_s: float = 0.0) -> None:
        """`poll_s`: how long to look for a lone client's next request before the loop sleeps."""
        self._there: set[Waiting] = set()
        self._client: object = None
        self._ticking = False
        self._struck = self._struck_cpu_s = 0.0
        self._rested = False
        self.congestion = Congestion()
        self._polling = Polling(poll_s)

    def begin(self, receive: Receive, deadline: float, body_timeout_s: float) -> Patience:
        """The patience with the request that the current task answers."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is answered in a task")
        patience = Patience(task, receive, deadline, body_timeout_s)
        self.add(patience, min(deadline, time.monotonic() + body_timeout_s))
        return patience

    def add(self, waiting: Waiting, limit: float) -> None:
        """Look after one more; `limit` is the first moment (time.monotonic) at which it has to be told."""
        self._there.add(waiting)
        now = time.monotonic()
        if not self._ticking:
            self._struck, self._struck_cpu_s = now, time.process_time()
            self.congestion.start_looking()
            self._wind(asyncio.get_running_loop())
        if limit - now < LOOK_S:
            waiting.look(now)

    def alone(self, client: object) -> bool:
        """Whether the requests of one connection are all there is at the moment, this one and the one before it."""
        before, self._client = self._client, client
        alone = len(self._there) == 1 and client == before
        self._polling.asked(alone=alone)
        return alone

    def end(self, waiting: Waiting) -> None:
        """The answer is there."""
        self._there.discard(waiting)
        self.congestion.one_answered()
        if not self._there:
            self._rested = True
            self._polling.rests()
        waiting.end()

    def refuses(self, timeout_s: float) -> bool:
        """Whether one more request, with so much time, would come too late."""
        now, congestion = time.monotonic(), self.congestion
        if congestion.still_refuses(timeout_s, now):
            return True
        congestion.measure(now)
        return congestion.refuses(len(self._there), timeout_s, now)

    def _wind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticking, self._rested = True, False
        loop.call_later(LOOK_S, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        now, cpu_s = time.monotonic(), time.process_time()
        # A body that is slow to come, or a version that loads, is waited for and not worked on.
        worked_s = min(now - self._struck, cpu_s - self._struck_cpu_s)
        self.congestion.look(worked_s, busy=not self._rested or self.congestion.crowded)
        self._struck, self._struck_cpu_s = now, cpu_s
        if not self._there:
            return
        self._wind(asyncio.get_running_loop())
        for waiting in self._there:
            waiting.look(now)


def _late() -> Exception:
    return DeadlineExceeded("the answer was not ready before the request's deadline")
