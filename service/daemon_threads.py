"""Threads for calls that may never return, such as reading a file of a network file system that hangs.

A thread of Python's own pools holds up the end of the process until its call returns. One of these does not.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

LOOK_PATIENCE_S = 5.0
"""How long the start of a service waits for a look at its store."""

_Call = tuple["Future[object]", Callable[[], object]]


class DaemonThread(Executor):
    """An executor with one daemon thread: calls run one after another, in the order in which they were submitted."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = _Thread(self._calls, name)
        self._closed = False
        self._starting = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the thread make a call. Raises RuntimeError after `shutdown`."""
        if self._closed:
            raise RuntimeError("the thread has been told to end")
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()
        future: Future[T] = Future()
        self._calls.put((future, partial(fn, *args, **kwargs)))  # type: ignore[arg-type]  # a Future[T] is set to a T
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the thread end after the calls that were submitted; with `cancel_futures`, after the one it makes now."""
        self._closed = True
        while cancel_futures and not self._calls.empty():
            if (call := self._calls.get()) is not None:
                call[0].cancel()
        self._calls.put(None)
        if wait and self._thread.ident is not None:
            self._thread.join()

    def close(self, patience_s: float) -> bool:
        """End the thread after the call that it makes now, waiting at most so long; whether it has ended."""
        self.shutdown(wait=False, cancel_futures=True)
        if self._thread.ident is not None:
            self._thread.join(patience_s)
        return not self._thread.is_alive()


class _Thread(threading.Thread):
    def __init__(self, calls: SimpleQueue[_Call | None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._calls = calls
        self.in_a_call = False

    def run(self) -> None:
        while (call := self._calls.get()) is not None:
            self.in_a_call = True
            self._make(*call)
            del call  # while the thread waits, it keeps nothing of a call alive
            self.in_a_call = False

    def _make(self, future: Future[object], made: Callable[[], object]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = made()
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        else:
            future.set_result(result)


def call_in_time(call: Callable[[], T], patience_s: float) -> T:
    """Make a call in a thread of its own. Raises TimeoutError where it has not returned in time; then it goes on."""
    thread = DaemonThread("latent-call")
    made = thread.submit(call)
    thread.shutdown(wait=False)
    return made.result(patience_s)


def exit_past_stuck_threads(code: int) -> None:
    """End the process at once where one of these threads is in a call that does not return; else do nothing.

    An orderly end of the interpreter would take away what a thread still uses, once its call returns after all.
    """
    if any(isinstance(thread, _Thread) and thread.in_a_call for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
