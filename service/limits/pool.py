"""A bounded thread pool for the event loop: a full pool refuses work, and work that nobody waits for stops.

One slow kind of work must not delay another kind, so each kind has a pool of its own (the bulkhead pattern: Nygard,
"Release It!", 2007, chapter 5).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TypeVar

from service.limits.errors import PoolFull

T = TypeVar("T")

MAX_WAITING = 256
"""Calls that may wait for a thread of one pool. Each holds its request's body, which `in_flight` bounds in bytes."""
_MAX_THREADS = 4
"""Threads of a pool, at most. What runs here lets go of the interpreter's lock only in part."""


Check = Callable[[], None]
"""Is called between two pieces of a long work, and may stop it by an error: `Work.check`."""


def go_on() -> None:
    """The check of a work that nothing stops."""


class Abandoned(Exception):
    """Raised inside a call whose result nobody waits for any more."""


class Work:
    """Tells a running call whether its caller still waits for the result."""

    __slots__ = ("_abandoned", "_deadline")

    def __init__(self, deadline: float) -> None:
        """`deadline` is a time of time.monotonic."""
        self._deadline = deadline
        self._abandoned = False

    def abandon(self) -> None:
        """Record that the caller has left."""
        self._abandoned = True

    def check(self) -> None:
        """Raise Abandoned if the caller has left or the deadline has passed. Call it between two pieces of the work."""
        if self._abandoned or time.monotonic() >= self._deadline:
            raise Abandoned("nobody waits for this result any more")


class Pool:
    """Runs calls in a few threads. Use it in one event loop."""

    def __init__(self, name: str, threads: int, max_waiting: int = MAX_WAITING) -> None:
        """`name` is for the metrics and the threads' names; at most `max_waiting` calls wait for a thread."""
        self.name, self._max_waiting = name, max_waiting
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"latent-{name}")
        self._free = asyncio.Semaphore(threads)
        self.waiting = 0
        """Number of calls that wait for a thread."""
        self.running = 0
        """Number of calls that have a thread."""

    async def run(self, call: Callable[[Work], T], deadline: float) -> T:
        """Run `call` in a thread and return its result. Raises PoolFull, and what the call raises.

        Calls begin first in, first out. A cancelled caller, or one whose `deadline` (time.monotonic) has passed, frees
        its place in the queue at once. A running call has to ask its `Work`.
        """
        if self._free.locked() and self.waiting >= self._max_waiting:
            raise PoolFull(f"too much waits for the pool of {self.name}; nothing more is accepted")
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        work = Work(deadline)
        try:
            running = self._threads.submit(call, work)
        except BaseException:
            self._free.release()
            raise
        self.running += 1
        loop = asyncio.get_running_loop()

        def free(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed: the service has stopped
                loop.call_soon_threadsafe(self._release)

        running.add_done_callback(free)
        try:
            return await asyncio.wrap_future(running)
        finally:
            work.abandon()
            del running  # running -> error -> frame -> running would be a cycle, which keeps the request in memory

    def close(self) -> None:
        """Take no more calls, and do not wait for the running ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _release(self) -> None:
        self.running -= 1
        self._free.release()


@dataclass(frozen=True)
class Pools:
    """The pools of one process, each for one kind of work."""

    pictures: Pool
    """Decodes the pictures of requests. Pillow lets go of the interpreter's lock."""
    bodies: Pool
    """Parses large bodies, and converts their arrays."""
    rendering: Pool
    """Converts and renders large answers."""

    @classmethod
    def of(cls, cpus: int) -> Pools:
        """Pools for a process that may use so many CPUs."""
        threads = max(1, min(_MAX_THREADS, cpus))
        return cls(Pool("pictures", threads), Pool("bodies", 1), Pool("rendering", threads))

    def __iter__(self) -> Iterator[Pool]:
        return (getattr(self, field.name) for field in fields(self))

    def close(self) -> None:
        """Close all pools."""
        for pool in self:
            pool.close()
