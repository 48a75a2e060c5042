"""A probe in a process of its own: asks `/livez` every 10 ms, and records how long it waits.

What holds up the event loop of a service holds up this answer too. It is a process of its own, because threads of one
interpreter hold up one another.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPResponse
from multiprocessing.connection import Connection
from socket import socket
from types import TracebackType
from typing import Self

from latent.chaos.target import Address

EVERY_S = 0.01
_CONNECTION_ASKS = 100
"""A connection is used so often: the next one may lead to another worker."""
_ANSWER_S = 60.0
_STOP_S = 10.0


@dataclass(frozen=True)
class Gaps:
    """What the probe has seen."""

    asked: int = 0
    longest_s: float = 0.0
    """The longest wait for an answer."""
    longest_at_s: float = 0.0
    """When that was, in seconds from the probe's start."""
    over_50_ms: int = 0
    refused: int = 0
    """Connections that were refused or lost."""
    own_delay_s: float = 0.0
    """The longest time that the probe itself was held up: what the machine takes from everybody."""


class Probe:
    """A context manager that runs the probe; `gaps` afterwards says what it has seen."""

    def __init__(self, address: Address) -> None:
        self.gaps = Gaps()
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(address, theirs), name="latent-probe", daemon=True)
        self._theirs = theirs

    def __enter__(self) -> Self:
        """Start it."""
        self._process.start()
        self._theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        with suppress(OSError, EOFError):
            self._ours.send("stop")
            if self._ours.poll(_ANSWER_S + _STOP_S):
                self.gaps = self._ours.recv()
        self._ours.close()
        self._process.join(_STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def run(address: Address, parent: Connection) -> None:
    """Ask until the parent says stop, or is gone; then send it the Gaps."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    started, seen, connection = time.monotonic(), Gaps(), None
    while not parent.poll():
        before = time.monotonic()
        try:
            if connection is None or seen.asked % _CONNECTION_ASKS == 0:
                connection = _renewed(address, connection)
            _ask(address, connection)
        except (OSError, HTTPException):
            connection = None
            seen = replace(seen, refused=seen.refused + 1)
        after = time.monotonic()
        seen = replace(seen, asked=seen.asked + 1, over_50_ms=seen.over_50_ms + (after - before > 0.05))
        if after - before > seen.longest_s:
            seen = replace(seen, longest_s=after - before, longest_at_s=before - started)
        time.sleep(EVERY_S)
        seen = replace(seen, own_delay_s=max(seen.own_delay_s, time.monotonic() - after - EVERY_S))
    with suppress(OSError, EOFError):
        parent.send(seen)


def _renewed(address: Address, connection: socket | None) -> socket:
    if connection is not None:
        connection.close()
    return address.connect(_ANSWER_S)


def _ask(address: Address, connection: socket) -> None:
    connection.sendall(f"GET {address.prefix}/livez HTTP/1.1\r\nHost: {address.host}\r\n\r\n".encode())
    with HTTPResponse(connection, method="GET") as response:
        response.begin()
        response.read()
        if response.will_close:
            raise ConnectionError
