"""HTTP/1.1 over a bare socket: sends bytes, cut as a test likes, and reads answers one by one."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

import httpx

ANSWER_S = 60.0
"""How long to wait for bytes: far longer than any answer takes, on a busy machine too."""


def request(
    path: str,
    body: bytes | None = None,
    *,
    method: str = "POST",
    request_id: str | None = None,
    timeout_s: float | str | None = None,
    content_type: str | None = "application/json",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A request as bytes. Without a `body` it is the head alone: `headers` then says what is to follow.

    `Content-Length` is the length of `body`, unless `headers` announces another.
    """
    lines = {"Host": "x"}
    if content_type is not None:
        lines["Content-Type"] = content_type
    if request_id is not None:
        lines["X-Request-ID"] = request_id
    if timeout_s is not None:
        lines["X-Request-Timeout"] = str(timeout_s)
    lines |= headers or {}
    if body is not None:
        lines.setdefault("Content-Length", str(len(body)))
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())])
    return head.encode("latin-1") + b"\r\n\r\n" + (body or b"")


@dataclass(frozen=True)
class Answer:
    """One answer; the names of its headers are in lower case."""

    status: int
    fields: list[tuple[str, str]]
    """Its headers as they came."""
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Its headers by name."""
        return dict(self.fields)

    def json(self) -> dict[str, Any]:
        """The JSON object in the body."""
        return cast("dict[str, Any]", json.loads(self.body))

    def as_httpx(self, url: str) -> httpx.Response:
        """The same for helpers that take httpx's responses; `url` is the server's."""
        return httpx.Response(self.status, headers=self.fields, content=self.body, request=httpx.Request("POST", url))


class Connection:
    """A connection to 127.0.0.1 that a `with` closes. Everything is read through one buffer, so answers may follow
    one another closely."""

    def __init__(self, port: int, receive_bytes: int | None = None) -> None:
        """`receive_bytes` is the size of the receive buffer. Raises OSError where nobody listens."""
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(ANSWER_S)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self._stream = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def read_answer(self, *, to_head: bool = False) -> Answer:
        """The next answer; an interim one (1xx) counts as one. `to_head` is one to HEAD, which has no body.

        Raises ConnectionError where the server closes before the answer is complete.
        """
        status = int(self._line().split()[1])
        fields: list[tuple[str, str]] = []
        while line := self._line():
            name, _, value = line.partition(": ")
            fields.append((name.lower(), value))
        headers = dict(fields)
        if to_head or status < 200 or status in (204, 304):
            return Answer(status, fields, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, fields, self._chunks())
        return Answer(status, fields, self._body(int(headers["content-length"])))

    def read_to_end(self) -> bytes:
        """Everything that still comes, until the server closes."""
        return self._stream.read()

    def is_closed(self) -> bool:
        """Whether the next thing to come is the server's end of the connection; waits for it."""
        try:
            return self._stream.peek(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self.socket.close()

    def reset(self) -> None:
        """Hang up without a goodbye: the server sees a reset connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def _line(self) -> str:
        line = self._stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the server closed within an answer's head: {line!r}")
        return line[:-2].decode("latin-1")

    def _body(self, length: int) -> bytes:
        body = self._stream.read(length)
        if len(body) < length:
            raise ConnectionError(f"the server closed after {len(body)} of {length} bytes of an answer's body")
        return body

    def _chunks(self) -> bytes:
        chunks = []
        while size := int(self._line().partition(";")[0], 16):
            chunks.append(self._body(size))
            self._line()
        while self._line():  # trailers
            pass
        return b"".join(chunks)
