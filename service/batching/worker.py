"""The thread for long engine calls, so that the event loop answers other requests meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger("latent.engine")


class WorkerLost(Exception):
    """The engine thread ended during a call. A new thread has been started."""


class EngineWorker:
    """One thread that runs the engine calls of all models, one at a time; replaced if it ends during a call."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="latent-engine")
        self.alive = True
        """False after the thread was lost, until the new thread has run its first call."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in the thread. Raises the call's exception, or WorkerLost where the call ended the thread."""
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, call)
        except RuntimeError as error:  # no thread can be started
            await self._replace(error)
            raise WorkerLost("the engine's thread cannot be used") from error
        try:
            return await running
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # SystemExit and the like, which end a thread
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
        """Wait for the running call, and stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
