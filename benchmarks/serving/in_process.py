"""Measures Latent's server without a socket: the parts of a request's time, and what each optimization saves.

    python -m benchmarks.serving.in_process '{"store": …, "requests": {NAME: {"path", "file", "media_type"}}, …}'

Bytes go through the server's own protocol class, as in a `latent serve` process, but not through the kernel. `without`
names an optimization to switch off (MEASURES). The process measures one round for every line of its input, so that
several processes with different optimizations can take turns. It prints each round as a line of JSON. For every request
by name this has `cpu_us`, the CPU time of a request with 64 in flight. Unless `alone` is false, it also has parts of
Server-Timing with one request in flight, `rest_us` and `whole_us`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.app import create_app
from service.fast_path.dispatch import Entrance
from service.fast_path.uvicorn_protocol import DirectProtocol
from service.observability.logs import configure_logging
from service.routes.inference import POSTS
from service.server.malloc import keep_freed_memory
from service.server.process import GC_THRESHOLDS
from service.settings import Settings

PARTS = ("parse", "queue", "infer", "render")
MEASURES = {
    "everything": "as it is",
    "at_once": "with a task for every request",
    "protocol": "without the short way through uvicorn: its tasks, messages and header checks",
    "entrance": "without the short way past FastAPI's routing either",
    "heads": "every head parsed, however often it came",
    "simdjson": "JSON by orjson and numpy",
    "batching": "one row a call of the engine",
    "inline": "every call of the engine in a thread",
    "logs": "each log line by structlog, and written at once",
    "gc": "the garbage collector as Python sets it",
}
_PART = re.compile(rb"(\w+);dur=([\d.]+)")
_TOGETHER = 64
_WARM_TURNS = 20
_REST_S = 3600
_POLL_S = 0.01
_POLLS = 6000


def main() -> int:
    """Measure one round for each line of standard input, until the input ends."""
    task = json.loads(sys.argv[1])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(task))
    return 0


async def measure(task: dict[str, Any]) -> None:
    """Measure every request once in each round, and run a round for every line of standard input."""
    without = task.get("without", "everything")
    settings = Settings(
        store=Path(task["store"]),
        log_format="console" if without == "logs" else "json",
        max_batch_items=1 if without == "batching" else 64,
    )
    if without == "at_once":
        mock.patch("service.fast_path.dispatch.begin_at_once", _not_at_once).start()
    if without == "heads":
        mock.patch("service.fast_path.known_heads.KnownHeads.find", _not_known).start()
    if without == "simdjson":
        mock.patch("service.wire.json_body.only_array", _not_one).start()
    if without == "inline":
        mock.patch("service.models.shelf.inline_limit_s", _not_at_all).start()
    configure_logging(settings)
    keep_freed_memory()
    app = create_app(settings)
    served: Any = app if without == "entrance" else Entrance(app, POSTS, settings.root_path)
    protocol = HttpToolsProtocol if without in ("protocol", "entrance") else DirectProtocol
    config = uvicorn.Config(
        served,
        http=protocol,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=_REST_S,  # connections stay open while other processes have their rounds
    )
    config.load()
    requests = {name: _bytes_of(**request) for name, request in task["requests"].items()}
    async with app.router.lifespan_context(app):
        await _until_ready(app)
        clients = [_Client(protocol, config) for _ in range(_TOGETHER)]
        gc.freeze()
        if without != "gc":
            gc.set_threshold(*GC_THRESHOLDS)
        for request in requests.values():
            await _together(clients, request, _WARM_TURNS)
        print(json.dumps({"ready": True}), flush=True)
        for _ in sys.stdin:
            found = {}
            for name, request in requests.items():
                found[name] = {"cpu_us": await _cpu_us(clients, request, task["seconds"])}
                if task.get("alone", True):
                    found[name] |= await _alone(clients[0], request, task["seconds"])
            print(json.dumps(found), flush=True)


def _not_at_once(*_: object) -> None:
    """In place of the short way through the verbs."""


def _not_known(_heads: object, _data: bytes) -> None:
    """In place of what is known of heads."""


def _not_one(body: bytes, name: str) -> None:
    """In place of the short way through JSON."""


def _not_at_all(cpus: int) -> float:  # noqa: ARG001 - in place of a function of the CPUs
    """Replaces `inline_limit_s`: no engine call runs in the event loop."""
    return 0.0


def _bytes_of(path: str, file: str, media_type: str) -> bytes:
    body = Path(file).read_bytes()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: {media_type}\r\nAccept: {media_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _until_ready(app: Any) -> None:  # noqa: ANN401
    for _ in range(_POLLS):
        if not app.state.services.registry.unready():
            await asyncio.sleep(1.5)  # the service measures its batch costs while it is idle
            return
        await asyncio.sleep(_POLL_S)
    raise SystemExit("the application was not ready in time")


class _Client(asyncio.Transport):
    """The client's end of a connection: `answered` is called with the bytes of every complete response."""

    def __init__(self, protocol: type[HttpToolsProtocol], config: uvicorn.Config) -> None:
        super().__init__({"peername": ("127.0.0.1", id(self) % 60_000), "sockname": ("127.0.0.1", 8000)})
        self.answered: Callable[[bytes], None] = lambda _: None
        self._received = b""
        self._end: int | None = None
        self._protocol = protocol(config=config, server_state=ServerState(), app_state={})
        self._protocol.connection_made(self)

    def send(self, request: bytes) -> None:
        """Pass a request to the protocol, as if it came from the network."""
        self._protocol.data_received(request)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Called by the protocol."""
        self._received += bytes(data)
        if self._end is None:
            head, found, _ = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"the application answers {head[:80]!r}")
            self._end = len(head) + 4 + int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(self._received) >= self._end:
            answer, self._received, self._end = self._received, b"", None
            self.answered(answer)

    def is_closing(self) -> bool:
        """Called by the protocol."""
        return False

    def pause_reading(self) -> None:
        """Called by the protocol."""

    def resume_reading(self) -> None:
        """Called by the protocol."""

    def close(self) -> None:
        """Called by the protocol."""
        raise SystemExit("the application closes its connection")


async def _together(clients: list[_Client], request: bytes, turns: int) -> None:
    """Send `turns` requests from every client; a client sends the next one when it has its answer."""
    loop = asyncio.get_running_loop()
    left, through = turns * len(clients), loop.create_future()

    def send_next(client: _Client, _: bytes) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            through.set_result(None)
        elif left >= len(clients):
            loop.call_soon(client.send, request)

    for client in clients:
        client.answered = partial(send_next, client)
        loop.call_soon(client.send, request)
    await through


async def _cpu_us(clients: list[_Client], request: bytes, seconds: float) -> float:
    """CPU microseconds for each request, all clients at once, with the cost of the clients (0.5 µs)."""
    turns, until, started = 0, time.perf_counter() + seconds, time.process_time()
    while time.perf_counter() < until:
        await _together(clients, request, 5)
        turns += 5
    return 1e6 * (time.process_time() - started) / (turns * len(clients))


async def _alone(client: _Client, request: bytes, seconds: float) -> dict[str, float]:
    """Median microseconds by part, one request at a time; `rest` is the time outside the server's own parts."""
    parts: dict[str, list[float]] = {}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        answered = asyncio.get_running_loop().create_future()
        client.answered = answered.set_result
        started = time.perf_counter()
        client.send(request)
        answer = await answered
        whole = 1e6 * (time.perf_counter() - started)
        timing = answer.partition(b"server-timing: ")[2].partition(b"\r\n")[0]
        own = dict.fromkeys(PARTS, 0.0) | {name.decode(): 1e3 * float(ms) for name, ms in _PART.findall(timing)}
        for name, us in {**own, "rest": whole - sum(own.values()), "whole": whole}.items():
            parts.setdefault(f"{name}_us", []).append(us)
    return {name: statistics.median(values) for name, values in parts.items()}


if __name__ == "__main__":
    sys.exit(main())
