"""A real HTTP server on a real port with scripted answers, like those of a service or a proxy before it."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import numpy.typing as npt

MODEL = "digits@3"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at_s: float
    peer: tuple[str, int]

    def array(self) -> Array:
        return cast("Array", np.load(io.BytesIO(self.body), allow_pickle=False))

    def json(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.body))

    def parts(self) -> list[tuple[str, bytes]]:
        """Media type and content of each part of a multipart body."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = message_from_bytes(head + self.body, policy=policy.HTTP)
        parts = cast("list[EmailMessage]", list(message.iter_parts()))
        return [(part.get_content_type(), cast("bytes", part.get_payload(decode=True))) for part in parts]


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class HangUp(Exception):
    """Raised by a script: close the connection without a word."""


class Silence(Exception):
    """Raised by a script: say nothing until the test is over."""


Script = Callable[[Received], Reply]


def npz(model: str = MODEL, **entries: object) -> Reply:
    """Arrays as the service sends them; `metrics__mse` stands for the entry `metrics.mse`."""
    buffer = io.BytesIO()
    arrays = {name.replace("__", "."): np.asarray(value) for name, value in entries.items()}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    headers = {"Content-Type": "application/x-npz", "X-Latent-Model": model, "X-Request-ID": "r-1"}
    return Reply(200, buffer.getvalue(), headers)


def problem(status: int, *, headers: dict[str, str] | None = None, **fields: object) -> Reply:
    document = {"type": "/problems/x", "title": "Title", "status": status, **fields}
    kind = {"Content-Type": "application/problem+json"}
    return Reply(status, json.dumps(document).encode(), {**kind, **(headers or {})})


def document(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


class WireServer(ThreadingHTTPServer):
    """Plays `script`; keeps what it `received`."""

    daemon_threads = False
    request_queue_size = 32

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: Script = lambda _: problem(500)
        self.received: list[Received] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def play(self, *replies: Reply | Exception) -> None:
        """Answer with these, one after the other; the last again and again."""
        waiting = list(replies)

        def script(_: Received) -> Reply:
            reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(reply, Exception):
                raise reply
            return reply

        self.script = script


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: WireServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        address = urlsplit(self.path)
        body = self._chunks() if "transfer-encoding" in self.headers else self._sized()
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(address.query))
        request = Received(self.command, address.path, query, headers, body, time.monotonic(), self.client_address)
        self.server.received.append(request)
        try:
            reply = self.server.script(request)
        except HangUp:
            self.close_connection = True
            return
        except Silence:
            self.server.over.wait()
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def _sized(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Stay quiet."""


@contextmanager
def wire_server() -> Iterator[WireServer]:
    server = WireServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
