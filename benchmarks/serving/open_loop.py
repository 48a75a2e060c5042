"""The open loop: requests are sent when they are due, whether or not those before them were answered.

So a server that falls behind is not spared: latency counts from the moment a request was due. Arrivals are evenly
spaced; each takes a connection that is free, and waits where none is. Written for short answers of one known shape, so
that one CPU sends tens of thousands a second.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import uvloop
from numpy.typing import NDArray

from benchmarks.serving.errors import BenchError
from benchmarks.serving.wrk import Shot

UNANSWERED = 0
"""In place of a status: the connection was lost, or nothing came before the end of the patience."""

_TICK_S = 0.001
_OPENED_AT_ONCE = 200
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

    due_s: NDArray[np.float64]
    sent_s: NDArray[np.float64]
    """When a connection took it; infinite where none ever did."""
    answered_s: NDArray[np.float64]
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


def due_times(phases: Sequence[Phase]) -> NDArray[np.float64]:
    """When each request of the phases, one after the other, is due: seconds from the start."""
    times, start = [], 0.0
    for phase in phases:
        times.append(start + np.arange(int(phase.per_second * phase.seconds)) / phase.per_second)
        start += phase.seconds
    return np.concatenate(times)


def request_bytes(host: str, shot: Shot) -> bytes:
    """`shot` as HTTP/1.1 puts it."""
    headers: Mapping[str, str] = {"Host": host, **shot.headers, "Content-Length": str(len(shot.body))}
    lines = [f"POST {shot.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + shot.body


def run(url: str, shot: Shot, phases: Sequence[Phase], *, connections: int, patience_s: float) -> Arrivals:
    """Send `shot` at the rates of `phases` over that many connections, all open before the first is due.

    Ends when everything is answered, or `patience_s` after the last was due. Raises BenchError where the connections
    cannot be opened.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_Generator(host, int(port), shot, phases).run(connections, patience_s))


class _Generator:
    """The requests that are due, and the connections that are free."""

    def __init__(self, host: str, port: int, shot: Shot, phases: Sequence[Phase]) -> None:
        self._host, self._port = host, port
        self.request = request_bytes(f"{host}:{port}", shot)
        self._due = due_times(phases)
        n = len(self._due)
        self._sent, self._answered = np.full(n, np.inf), np.full(n, np.inf)
        self._status, self._retry_after = np.zeros(n, np.int16), np.zeros(n, np.bool_)
        self._settled, self._next = 0, 0
        self._free: deque[_Connection] = deque()
        self._waiting: deque[int] = deque()
        self._reopening: set[asyncio.Task[None]] = set()
        self._started = 0.0
        self._over = False

    async def run(self, connections: int, patience_s: float) -> Arrivals:
        try:
            for start in range(0, connections, _OPENED_AT_ONCE):
                count = min(_OPENED_AT_ONCE, connections - start)
                await asyncio.gather(*(self._open() for _ in range(count)))
        except OSError as error:
            raise BenchError(f"{connections} connections cannot be opened ({error.strerror or error})") from error
        self._started = time.perf_counter()
        give_up = self._due[-1] + patience_s
        while self._settled < len(self._due) and (now := self._now()) < give_up:
            self._take_due(now)
            await asyncio.sleep(_TICK_S)
        self._over = True
        for connection in self._free:
            connection.close()
        return Arrivals(self._due, self._sent, self._answered, self._status, self._retry_after)

    def is_free(self, connection: _Connection) -> None:
        """The connection's answer is in: it takes whoever has waited longest."""
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    def answered(self, index: int, status: int, *, retry_after: bool) -> None:
        """A complete answer."""
        self._answered[index] = self._now()
        self._status[index] = status
        self._retry_after[index] = retry_after
        self._settled += 1

    def lost(self, connection: _Connection, index: int | None) -> None:
        """The server closed a connection; its request, if it had one, stays unanswered."""
        if index is not None:
            self._settled += 1
        if self._over:
            return
        if index is None:
            self._free.remove(connection)
        task = asyncio.get_running_loop().create_task(self._reopen())
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    def _take_due(self, now: float) -> None:
        """Send what is due on the connections that are free, the one that rested longest first."""
        end = int(np.searchsorted(self._due, now, side="right"))
        self._waiting.extend(range(self._next, end))
        self._next = end
        while self._waiting and self._free:
            self._send(self._free.popleft(), self._waiting.popleft())

    def _send(self, connection: _Connection, index: int) -> None:
        self._sent[index] = self._now()
        connection.send(index)

    async def _open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: _Connection(self), self._host, self._port)

    async def _reopen(self) -> None:
        try:
            await self._open()
        except OSError:
            await asyncio.sleep(_TICK_S)  # a full backlog: the others go on, and this place is lost

    def _now(self) -> float:
        return time.perf_counter() - self._started


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._transport: Any = None
        self._index: int | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._generator.is_free(self)

    def send(self, index: int) -> None:
        self._index = index
        self._transport.write(self._generator.request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        head = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head + 2) if head >= 0 else None
        if length is None or len(data) < head + 4 + int(length[1]):
            self._received = data
            return
        self._received = b""
        index, self._index = self._index, None
        if index is None:
            return
        status = int(data[9:12])
        retry_after = status == 503 and _RETRY_AFTER.search(data, 0, head + 2) is not None
        self._generator.answered(index, status, retry_after=retry_after)
        self._generator.is_free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        index, self._index = self._index, None
        self._generator.lost(self, index)

    def close(self) -> None:
        self._transport.close()
