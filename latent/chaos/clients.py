"""Sends requests over sockets, as good clients do and as bad ones do."""

from __future__ import annotations

import random
import socket
import struct
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse

from latent.chaos.shots import Answer, Manner, Shot
from latent.chaos.target import Address

ANSWER_S = 90.0
"""A client waits so long for an answer: far longer than the default deadline of a request."""
HUNG_UP = "hung up"
"""In place of a status: the service closed the connection and answered nothing."""
NO_ANSWER = "no answer"
"""In place of a status: nothing came within ANSWER_S."""
UNREACHABLE = "unreachable"
"""In place of a status: no connection could be made."""

_PIECES = 8
_PAUSES_S = (0.01, 0.1)
_SLOW_READ_BYTES, _SLOW_READ_PIECES = 2048, 40
_SMALL_BUFFER = 4096
_HELD_S, _MOST_HELD = 5.0, 8
_LEAVE_S = (0.0, 0.002, 0.05, 0.5)


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    shot: Shot
    status: str | None
    """The status, or a word for what came in its place; None where the client left before an answer."""
    begun: float
    """A time of time.monotonic, as `ended`."""
    ended: float
    fault: str | None = None
    """What is wrong with it, in a few words."""
    answer: Answer | None = field(default=None, repr=False)


class Client:
    """One client that sends one request after another, on a connection that it keeps where it can."""

    def __init__(self, address: Address, rng: random.Random) -> None:
        self._address, self._rng = address, rng
        self._kept: socket.socket | None = None
        self._held: list[tuple[float, socket.socket]] = []
        """Connections on which nothing is read, and until when they are held."""

    @property
    def url(self) -> str:
        """Address of the service."""
        return self._address.url

    def send(self, shot: Shot) -> Outcome:
        """Send a request in its manner; return what became of it."""
        self._let_go(time.monotonic())
        begun = time.monotonic()
        request_id = uuid.UUID(int=self._rng.getrandbits(128)).hex
        data = shot.to_bytes(self._address.host, self._address.prefix, request_id)
        try:
            if not shot.manner.takes_answer:
                self._leave(shot.manner, data)
                return Outcome(shot, None, begun, time.monotonic())
            connection = self._connection()
        except OSError as error:
            status = None if not shot.manner.takes_answer and _is_hang_up(error) else UNREACHABLE
            return Outcome(shot, status, begun, time.monotonic(), _said(error) if status else None)
        return self._ask(connection, shot, data, request_id, begun)

    def close(self) -> None:
        """Hang up everywhere."""
        self._forget()
        self._let_go(float("inf"))

    def _ask(self, connection: socket.socket, shot: Shot, data: bytes, request_id: str, begun: float) -> Outcome:
        lost: OSError | None = None
        try:
            self._write(connection, data, slowly=shot.manner is Manner.SLOW_WRITE)
        except OSError as error:  # a refusal may have come before all was sent
            lost = error
        try:
            answer = self._read(connection, shot)
        except TimeoutError:
            self._forget()
            return Outcome(shot, NO_ANSWER, begun, time.monotonic(), f"nothing came within {ANSWER_S:g} s")
        except (OSError, HTTPException, ValueError) as error:
            self._forget()
            fault = None if shot.refused_early and lost is not None else f"hung up without an answer ({_said(error)})"
            return Outcome(shot, HUNG_UP, begun, time.monotonic(), fault)
        if lost is not None:
            self._forget()
        ended = time.monotonic()
        return Outcome(shot, str(answer.status), begun, ended, _fault(shot, answer, request_id), answer)

    def _connection(self) -> socket.socket:
        if self._kept is None:
            self._kept = self._address.connect(ANSWER_S)
        return self._kept

    def _write(self, connection: socket.socket, data: bytes, *, slowly: bool) -> None:
        if not slowly:
            connection.sendall(data)
            return
        step = max(1, len(data) // _PIECES)
        for at in range(0, len(data), step):
            connection.sendall(data[at : at + step])
            time.sleep(self._rng.choice(_PAUSES_S))

    def _read(self, connection: socket.socket, shot: Shot) -> Answer:
        response = HTTPResponse(connection, method=shot.method)
        with response:
            response.begin()
            pieces = []
            if shot.manner is Manner.SLOW_READ:
                for _ in range(_SLOW_READ_PIECES):
                    pieces.append(response.read(_SLOW_READ_BYTES))
                    time.sleep(min(_PAUSES_S))
            pieces.append(response.read())
            headers = {name.lower(): value for name, value in response.getheaders()}
            if response.will_close:
                self._forget()
            return Answer(response.status, headers, b"".join(pieces))

    def _leave(self, manner: Manner, data: bytes) -> None:
        """Send, and hang up; or hold the connection without reading."""
        connection = self._address.connect(ANSWER_S, _SMALL_BUFFER if manner is Manner.UNREAD else None)
        try:
            connection.sendall(data[: self._rng.randrange(1, len(data))] if manner is Manner.CUT else data)
        except OSError:
            connection.close()
            raise
        if manner is Manner.UNREAD:
            self._held.append((time.monotonic() + _HELD_S, connection))
            return
        time.sleep(self._rng.choice(_LEAVE_S))
        if self._rng.random() < 0.5:
            _reset(connection)
        else:
            connection.close()

    def _let_go(self, now: float) -> None:
        """Hang up on what was held for long enough."""
        while self._held and (self._held[0][0] <= now or len(self._held) > _MOST_HELD):
            _reset(self._held.pop(0)[1])

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def _fault(shot: Shot, answer: Answer, request_id: str) -> str | None:
    if answer.status != 200:
        return None
    given = answer.headers.get("x-request-id", request_id)
    if given != request_id:
        return "the answer to another request, by its X-Request-ID"
    return shot.check(answer) if shot.check is not None else None


def _reset(connection: socket.socket) -> None:
    """Hang up without a goodbye: the service sees a reset connection."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _is_hang_up(error: OSError) -> bool:
    return isinstance(error, BrokenPipeError | ConnectionResetError)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:120]
