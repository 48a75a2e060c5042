"""Reads files of versions for requests, in one thread of its own: a store that hangs holds up nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from model_store.files import open_regular
from service.daemon_threads import DaemonThread
from service.errors import NotReady

T = TypeVar("T")
P = ParamSpec("P")

_PATIENCE_S = 10.0
"""How long a request waits for the store. The map of a large version takes some seconds to read."""
_END_PATIENCE_S = 1.0


class VersionFiles:
    """The files of a store's versions. Use it in one event loop."""

    def __init__(self, store: Path, patience_s: float = _PATIENCE_S) -> None:
        self._store, self._patience_s = store, patience_s
        self._thread = DaemonThread("latent-files")

    def directory(self, name: str, version: int) -> Path:
        """The directory of a version."""
        return self._store / name / str(version)

    async def call(self, read: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call in the thread, after the calls of other requests."""
        return await asyncio.wrap_future(self._thread.submit(read, *args, **kwargs))

    async def in_time(self, reading: Awaitable[T]) -> T:
        """Wait for what reads files. Raises NotReady where the store does not answer in time."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await reading
        except TimeoutError:
            raise NotReady(f"the store has not answered for {self._patience_s:g} s") from None

    async def stat(self, path: Path) -> os.stat_result:
        """The size and times of a regular file that can be read. Raises OSError, or NotReady where the store hangs."""
        return await self.in_time(self.call(_stat, path))

    def close(self) -> None:
        """Stop the thread, unless it hangs."""
        self._thread.close(_END_PATIENCE_S)


def _stat(path: Path) -> os.stat_result:
    with open_regular(path) as file:
        file.read(1)
        return os.fstat(file.fileno())
