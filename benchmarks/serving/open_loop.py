"""An open-loop load generator: sends requests at their due times, whether or not earlier ones are answered.

So a slow server gets no less load. Arrivals are evenly spaced. Each request takes a free connection, waits where none
is free, and is given up when it has waited as long as its client would. The times at which each request was due, sent
and answered are recorded. The generator uses bare sockets and one loop, so that one CPU can send tens of thousands of
small requests a second. The loop never sleeps: on one machine, waking the client costs the server CPU time (in a
virtual machine a tenth of an answer's cost), which clients on other machines would not cost.
"""

from __future__ import annotations

import math
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.errors import BenchError
from benchmarks.serving.wrk import Shot
from model_store.arrays import Float64

UNANSWERED = 0
"""Status of a request whose connection was lost, or that got no answer in time."""

_AT_ONCE_S = 1e-6
_CONNECT_S = 30.0
_ACCEPT_S, _ACCEPTED_A_SECOND = 0.05, 8000
"""Time for the server to accept the connections, which the kernel opens earlier: a constant, and a rate."""
_RECEIVED_AT_ONCE = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Phase:
    """A phase of the load: an arrival rate and its duration."""

    per_second: float
    seconds: float


@dataclass(frozen=True)
class Arrivals:
    """Every request of a run, in the order of due times; times in seconds from the run's start."""

    due_s: Float64
    sent_s: Float64
    """When each request was sent; infinite where no connection was free in time."""
    answered_s: Float64
    """When each answer was complete; infinite where none came."""
    status: NDArray[np.int16]
    """Status of each answer, or UNANSWERED."""
    retry_after: NDArray[np.bool_]
    """Whether each answer had a Retry-After header."""

    def between(self, start_s: float, end_s: float) -> Arrivals:
        """The requests whose due time is in this interval."""
        chosen = (self.due_s >= start_s) & (self.due_s < end_s)
        return Arrivals(
            self.due_s[chosen],
            self.sent_s[chosen],
            self.answered_s[chosen],
            self.status[chosen],
            self.retry_after[chosen],
        )


def due_times(phases: Sequence[Phase]) -> Float64:
    """The due time of each request of consecutive phases, in seconds from the start."""
    times, start = [], 0.0
    for phase in phases:
        times.append(start + np.arange(round(phase.per_second * phase.seconds)) / phase.per_second)
        start += phase.seconds
    return np.concatenate(times)


def request_bytes(host: str, shot: Shot) -> bytes:
    """The bytes of `shot` as an HTTP/1.1 request."""
    headers: Mapping[str, str] = {"Host": host, **shot.headers, "Content-Length": str(len(shot.body))}
    lines = [f"POST {shot.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + shot.body


def run(
    url: str,
    shot: Shot,
    phases: Sequence[Phase],
    *,
    connections: int,
    wait_s: float,
    patience_s: float,
    begin: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
) -> Arrivals:
    """Send `shot` at the rates of `phases` over a number of connections.

    All connections are open before the first request is due and `begin` is called, and until `end` is called.

    A request that finds no free connection for `wait_s` is never sent. Ends when all other requests are answered, or
    `patience_s` after the last due time. Raises BenchError where the connections cannot be opened.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    with selectors.DefaultSelector() as selector:
        request, due_s = request_bytes(f"{host}:{port}", shot), due_times(phases)
        generator = _Generator((host, int(port)), request, due_s, wait_s, selector)
        try:
            arrivals = generator.run(connections, patience_s, begin)
            end()
            return arrivals
        finally:
            generator.close()


def saturate(
    url: str,
    shot: Shot,
    requests: int,
    *,
    connections: int,
    patience_s: float,
    begin: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
) -> Arrivals:
    """Run a closed loop with the same generator: all requests are due at once, and each connection sends the next one
    when it has its answer."""
    at_once = [Phase(requests / _AT_ONCE_S, _AT_ONCE_S)]
    return run(
        url,
        shot,
        at_once,
        connections=connections,
        wait_s=patience_s,
        patience_s=patience_s,
        begin=begin,
        end=end,
    )


@dataclass(eq=False, slots=True)
class _Connection:
    """A connection of the generator, with at most one request in flight."""

    socket: socket.socket
    index: int | None = None
    """Index of the request in flight; None where the connection is free."""
    received: bytes = b""


class _Generator:
    """The generator's state: due requests and free connections. One thread, no callbacks."""

    def __init__(
        self,
        address: tuple[str, int],
        request: bytes,
        due_s: Float64,
        wait_s: float,
        selector: selectors.BaseSelector,
    ) -> None:
        self._address, self._request, self._wait_s, self._selector = address, request, wait_s, selector
        self._due_s = due_s.tolist()  # lists are faster than arrays for one number at a time
        n = len(self._due_s)
        self._sent_s, self._answered_s = [math.inf] * n, [math.inf] * n
        self._status, self._retry_after = [UNANSWERED] * n, [False] * n
        self._next = self._settled = 0
        self._waiting: deque[int] = deque()
        self._free: deque[_Connection] = deque()
        self._started = 0.0

    def run(self, connections: int, patience_s: float, begin: Callable[[], None]) -> Arrivals:
        """Send all requests, and wait for the answers."""
        try:
            for _ in range(connections):
                self._open()
        except OSError as error:
            raise BenchError(f"{connections} connections cannot be opened ({error.strerror or error})") from error
        time.sleep(_ACCEPT_S + connections / _ACCEPTED_A_SECOND)
        begin()
        self._started = time.perf_counter()
        give_up = self._due_s[-1] + patience_s
        while self._settled < len(self._due_s) and (now := self._now()) < give_up:
            self._send_due(now)
            for key, _ in self._selector.select(0):
                self._receive(key.data)
        return Arrivals(
            np.array(self._due_s),
            np.array(self._sent_s),
            np.array(self._answered_s),
            np.array(self._status, np.int16),
            np.array(self._retry_after, np.bool_),
        )

    def close(self) -> None:
        """Close every connection."""
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()

    def _send_due(self, now: float) -> None:
        """Send due requests on free connections, the most recently used first, as connection pools do."""
        while self._next < len(self._due_s) and self._due_s[self._next] <= now:
            self._waiting.append(self._next)
            self._next += 1
        while not self._free and self._waiting and now - self._due_s[self._waiting[0]] > self._wait_s:
            self._waiting.popleft()
            self._settled += 1
        while self._waiting and self._free:
            connection, index = self._free.pop(), self._waiting.popleft()
            connection.index = index
            self._sent_s[index] = self._now()
            try:
                connection.socket.sendall(self._request)  # fits the socket's buffer: nothing else is in flight
            except OSError:
                self._lost(connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(_RECEIVED_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(connection)
            return
        if connection.received:
            data = connection.received + data
        head = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head + 2) if head >= 0 else None
        if length is None or len(data) < head + 4 + int(length[1]):
            connection.received = data
            return
        index, connection.index, connection.received = connection.index, None, b""
        if index is None:
            return
        self._answered_s[index] = self._now()
        self._status[index] = status = int(data[9:12])
        self._retry_after[index] = status == 503 and _RETRY_AFTER.search(data, 0, head + 2) is not None
        self._settled += 1
        self._free.append(connection)

    def _lost(self, connection: _Connection) -> None:
        """Replace a connection that the server has closed; its request, if any, stays unanswered."""
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if connection.index is None:
            self._free.remove(connection)
        else:
            self._settled += 1
        with suppress(OSError):  # the server has ended: the other connections will fail too
            self._open()

    def _open(self) -> None:
        connected = socket.create_connection(self._address, timeout=_CONNECT_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setblocking(False)
        connection = _Connection(connected)
        self._selector.register(connected, selectors.EVENT_READ, connection)
        self._free.append(connection)

    def _now(self) -> float:
        return time.perf_counter() - self._started
