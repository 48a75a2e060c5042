"""The thread that long engine calls run in, so that the event loop answers others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger("latent.engine")


class WorkerLost(Exception):
    """The thread has ended in the middle of a call. Another one has been started."""


class EngineWorker:
    """One thread, one call at a time, for the engine calls of all models; a new thread where that one is lost."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="latent-engine")
        self.alive = True
        """False from the loss of a thread until its successor has done something."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in the thread. Raises what it raises, or WorkerLost where it ended the thread itself."""
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, call)
        except RuntimeError as error:  # no thread can be had
            await self._replace(error)
            raise WorkerLost("the engine's thread cannot be used") from error
        try:
            return await running
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # SystemExit and its like: what would end a thread
            await self._replace(error)
            raise WorkerLost("the engine's thread has ended") from error
        finally:
            del running  # it has what was raised, whose traceback has this frame

    async def _replace(self, cause: BaseException) -> None:
        self.alive = False
        log.error("engine thread lost", cause=repr(cause))
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="latent-engine")
        await asyncio.get_running_loop().run_in_executor(self._thread, int)
        self.alive = True
        log.info("engine thread restarted")

    def close(self) -> None:
        """Wait for the running call; nothing runs any more."""
        self._thread.shutdown(wait=True, cancel_futures=True)
