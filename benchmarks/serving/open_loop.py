"""The open loop: requests are sent when they are due, whether or not those before them were answered.

So a server that falls behind is not spared. Arrivals are evenly spaced; each takes a connection that is free, waits
where none is, and is given up where it has waited as long as its client would. When each was due, sent and answered is
noted. Bare sockets and one loop, for requests and answers of a few kilobytes: one CPU is to send tens of
thousands a second. The loop never sleeps: on one machine it is the server that pays for waking its client, in a virtual
machine a tenth of what an answer costs, and none of a server's clients elsewhere would be on its bill.
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
"""In place of a status: the connection was lost, or nothing came before the end of the patience."""

_AT_ONCE_S = 1e-6
_CONNECT_S = 30.0
_ACCEPT_S, _ACCEPTED_A_SECOND = 0.05, 8000
"""The kernel opens connections before a server has accepted them."""
_RECEIVED_AT_ONCE = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Phase:
    """An arrival rate, and how long it lasts."""

    per_second: float
    seconds: float


@dataclass(frozen=True)
class Arrivals:
    """Every request of a run, in the order in which they were due; times in seconds from its start."""

    due_s: Float64
    sent_s: Float64
    """When a connection took it; infinite where none did in time."""
    answered_s: Float64
    """When its answer was complete; infinite where it never was."""
    status: NDArray[np.int16]
    """Of the answer, or UNANSWERED."""
    retry_after: NDArray[np.bool_]
    """Whether the answer said when to try again."""

    def between(self, start_s: float, end_s: float) -> Arrivals:
        """Those that were due in that time."""
        chosen = (self.due_s >= start_s) & (self.due_s < end_s)
        return Arrivals(
            self.due_s[chosen],
            self.sent_s[chosen],
            self.answered_s[chosen],
            self.status[chosen],
            self.retry_after[chosen],
        )


def due_times(phases: Sequence[Phase]) -> Float64:
    """When each request of the phases, one after the other, is due: seconds from the start."""
    times, start = [], 0.0
    for phase in phases:
        times.append(start + np.arange(round(phase.per_second * phase.seconds)) / phase.per_second)
        start += phase.seconds
    return np.concatenate(times)


def request_bytes(host: str, shot: Shot) -> bytes:
    """`shot` as HTTP/1.1 puts it."""
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
    """Send `shot` at the rates of `phases` over that many connections, all open before the first is due and `begin` is
    called, and until `end` is.

    What finds no free connection for `wait_s` is never sent. Ends when everything else is answered, or `patience_s`
    after the last was due. Raises BenchError where the connections cannot be opened.
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
    """The closed loop, by the same generator: so many requests are due at once, and each connection sends another when
    it has its answer."""
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
    """One request at a time."""

    socket: socket.socket
    index: int | None = None
    """Of the request that is under way."""
    received: bytes = b""


class _Generator:
    """The requests that are due, and the connections that are free: one thread, no callbacks."""

    def __init__(
        self,
        address: tuple[str, int],
        request: bytes,
        due_s: Float64,
        wait_s: float,
        selector: selectors.BaseSelector,
    ) -> None:
        self._address, self._request, self._wait_s, self._selector = address, request, wait_s, selector
        self._due_s = due_s.tolist()  # lists: one number at a time is their business
        n = len(self._due_s)
        self._sent_s, self._answered_s = [math.inf] * n, [math.inf] * n
        self._status, self._retry_after = [UNANSWERED] * n, [False] * n
        self._next = self._settled = 0
        self._waiting: deque[int] = deque()
        self._free: deque[_Connection] = deque()
        self._started = 0.0

    def run(self, connections: int, patience_s: float, begin: Callable[[], None]) -> Arrivals:
        """Send everything, wait for every answer."""
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
        """Send what is due on the connections that are free, the one that rested least first, as pools of them do."""
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
                connection.socket.sendall(self._request)  # nothing else is under way on it: the buffers hold it
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
        """The server closed it; its request, if it had one, stays unanswered. Another takes its place."""
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if connection.index is None:
            self._free.remove(connection)
        else:
            self._settled += 1
        with suppress(OSError):  # a server that is no longer there: the others are about to find out
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
