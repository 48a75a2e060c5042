"""A probe in a process of its own: asks `/livez` every 10 ms, and records how long it waits.

What holds up the event loop of a service holds up this answer too. It is a process of its own, because threads of one
interpreter hold up one another.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Self

from latent.chaos.target import Address
from latent.errors import CommandError

EVERY_S = 0.01
_CONNECTION_ASKS = 100
"""A connection is used so often: the next one may lead to another worker."""
_ANSWER_S = 60.0
_STOP_S = 10.0
_READY = "ready\n"


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
        self._url = address.url
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start it, and wait until it asks. Raises CommandError where it does not start."""
        process = self._process = subprocess.Popen(  # noqa: S603 - this very module
            [sys.executable, "-m", "latent.chaos.probe", self._url],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        ready = False
        try:
            ready = process.stdout is not None and process.stdout.readline() == _READY
        finally:
            if not ready:
                self._end()
        if not ready:
            raise CommandError("the process that probes /livez does not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; after an error at once, without its gaps."""
        try:
            if self._process is not None and kind is None:
                with suppress(subprocess.TimeoutExpired, ValueError, TypeError):  # it has failed, or hangs
                    said, _ = self._process.communicate(timeout=_ANSWER_S + _STOP_S)
                    self.gaps = Gaps(**json.loads(said))
        finally:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def main(url: str) -> None:
    """Ask until the standard input ends, which it does with the parent too; then print the Gaps."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    address = Address.parse(url)
    sys.stdout.write(_READY)
    sys.stdout.flush()
    sys.stdout.write(json.dumps(asdict(_asked(address, lambda: bool(select.select([sys.stdin], [], [], 0)[0])))))


def _asked(address: Address, is_over: Callable[[], bool]) -> Gaps:
    """Ask once at least, and until it is over."""
    started, seen, connection = time.monotonic(), Gaps(), None
    while not (seen.asked and is_over()):
        before = time.monotonic()
        try:
            if connection is None or seen.asked % _CONNECTION_ASKS == 0:
                connection = _renewed(address, connection)
            _ask(address, connection)
        except (OSError, HTTPException):
            if connection is not None:
                connection.close()
            connection = None
            seen = replace(seen, refused=seen.refused + 1)
        after = time.monotonic()
        seen = replace(seen, asked=seen.asked + 1, over_50_ms=seen.over_50_ms + (after - before > 0.05))
        if after - before > seen.longest_s:
            seen = replace(seen, longest_s=after - before, longest_at_s=before - started)
        time.sleep(EVERY_S)
        seen = replace(seen, own_delay_s=max(seen.own_delay_s, time.monotonic() - after - EVERY_S))
    return seen


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


if __name__ == "__main__":
    main(sys.argv[1])
