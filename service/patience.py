"""How long a request is worked for: until its body is late, its deadline passes, or its client has hung up.

One timer a request. It is set to a short while, which most requests are over in; only a longer one pays for being
watched.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.errors import BodyTimeout, DeadlineExceeded

_UNWATCHED_S = 0.05


class Patience:
    """Cancels the task that made it, and knows why."""

    __slots__ = (
        "_body_timeout_s",
        "_came",
        "_deadline",
        "_loop",
        "_reading",
        "_receive",
        "_task",
        "_timer",
        "_watcher",
        "why",
    )

    def __init__(self, receive: Receive, deadline: float, body_timeout_s: float) -> None:
        """`deadline` is on the clock of time.monotonic; a body may take `body_timeout_s` from now."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is answered in a task")
        self._task, self._receive = task, receive
        self._loop = task.get_loop()
        self._deadline, self._body_timeout_s = deadline, body_timeout_s
        self._came = 0
        self._reading: float | None = time.monotonic() + body_timeout_s
        self._watcher: asyncio.Task[None] | None = None
        self.why: Callable[[], Exception] | None = None
        """Makes the error that the cancellation stands for, where it came from here."""
        first_s = min(_UNWATCHED_S, deadline - time.monotonic())
        self._timer = self._loop.call_later(max(0.0, first_s), self._look)

    def came(self, size: int) -> None:
        """So many bytes of the body are there."""
        self._came = size

    def body_is_read(self) -> None:
        """From now on the client is listened to for hanging up."""
        waited = self._reading is not None and self._watcher is None
        self._reading = None
        if waited and self._timer.when() > self._loop.time() + _UNWATCHED_S:
            self._timer.cancel()
            self._look()

    def end(self) -> None:
        """The answer is there."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        until = self._deadline
        if now >= until:
            self._give_up(_late)
            return
        if self._reading is not None:
            if now >= self._reading:
                self._give_up(self._body_late)
                return
            until = min(until, self._reading)
        elif self._watcher is None:
            self._watcher = self._loop.create_task(self._listen())
        self._timer = self._loop.call_later(until - now, self._look)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._give_up(ClientDisconnect)

    def _give_up(self, why: Callable[[], Exception]) -> None:
        self.why = why
        self._timer.cancel()
        self._task.cancel()

    def _body_late(self) -> Exception:
        error = BodyTimeout(f"the body did not arrive within {self._body_timeout_s:g} s; {self._came} bytes came")
        error.headers["Connection"] = "close"
        return error


def _late() -> Exception:
    return DeadlineExceeded("the answer was not ready before the request's deadline")
