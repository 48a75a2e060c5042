"""Accepts new connections of a listening socket, many in one turn of the event loop, also under overload.

uvloop's own server accepts one connection in each turn of the event loop (libuv since 1.45, so that processes share a
port evenly). Where a turn takes long, thousands of connections then wait to be accepted: their requests are neither
answered nor refused, a liveness probe among them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

import structlog

from service.workers.connection_counts import ConnectionCounts

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors for a lack of file descriptors or memory: new connections wait in the kernel's queue."""
_RETRY_S = 1.0
_YIELD_S = 0.001
"""A worker that holds more connections than another waits so long before it accepts, so that the other can."""

log = structlog.get_logger("latent.server")


class Listener:
    """Accepts the connections of a bound socket. Make and use it in an event loop."""

    def __init__(
        self,
        bound: socket.socket,
        connected: Callable[[], asyncio.Protocol],
        at_once: int,
        counts: ConnectionCounts | None = None,
        held: Callable[[], int] = int,
    ) -> None:
        """`connected` makes the protocol of a connection; one turn of the loop accepts up to `at_once` connections.

        `counts` has the connection counts of all workers that accept from the socket; None for a single process.
        `held` says how many connections this process has open.
        """
        self._socket, self._connected, self._at_once = bound, connected, at_once
        self._counts, self._held = counts, held
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self.report()
        self._listen()

    def report(self) -> None:
        """Tell the other workers how many connections this process has."""
        if self._counts is not None:
            self._counts.report(self._held() + len(self._opening))

    async def close(self) -> None:
        """Stop accepting, and wait for accepted connections to be set up. The socket stays open."""
        if self._counts is not None:
            self._counts.close()
        self._loop.remove_reader(self._socket)
        if self._retry is not None:
            self._retry.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        self.report()
        if self._counts is not None and self._counts.is_ahead:
            self._loop.remove_reader(self._socket)
            self._retry = self._loop.call_later(_YIELD_S, self._accept_late)
        else:
            self._accept_waiting()

    def _accept_late(self) -> None:
        """Accept after the wait for another worker, which has not taken the connection."""
        self._listen()
        self._accept_waiting()

    def _accept_waiting(self) -> None:
        for _ in range(self._at_once):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return  # another process accepted the connection
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # only this connection failed
                log.warning("no connection can be accepted", reason=error.strerror, retry_s=_RETRY_S)
                self._loop.remove_reader(self._socket)
                self._retry = self._loop.call_later(_RETRY_S, self._listen)
                return
            connection.setblocking(False)
            opening = self._loop.create_task(self._loop.connect_accepted_socket(self._connected, connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Task[object]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and (error := opening.exception()) is not None:
            log.warning("a connection was lost while it was accepted", reason=str(error))
