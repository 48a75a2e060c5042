"""Latent's server without a socket: where the microseconds of one request go, and what each measure saves.

    python -m benchmarks.serving.in_process '{"store": …, "requests": {NAME: {"path", "file", "media_type"}}, …}'

Bytes go into the server's own protocol and come out of it, as they do in the process that `latent serve` is; only the
kernel is missing. `without` names a measure to go without (MEASURES). Measures a round for every line that it reads, so
that processes that differ in one measure can take turns, and prints it as a line of JSON: for every request by name,
`cpu_us` of one of 64 that are under way at once, and, unless `alone` is false, the parts of its Server-Timing where
nothing else is, with `rest_us` and `whole_us`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
import uvloop
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.app import create_app
from service.connections.guarded_protocol import GuardedProtocol
from service.fast_path.uvicorn_protocol import FastPathProtocol
from service.observability.logs import configure_logging
from service.server.malloc import keep_freed_memory
from service.server.process import GC_THRESHOLDS, protocol_of
from service.settings import Settings

PARTS = ("parse", "queue", "infer", "render")
MEASURES = {
    "everything": "as it is",
    "fast_path": "without the fast path: FastAPI's routes on uvicorn's own task",
    "heads": "every head parsed, however often it came",
    "simdjson": "JSON by orjson and numpy",
    "batching": "one row a call of the engine",
    "inline": "every call of the engine in a thread",
    "logs": "each log line by structlog, and written at once",
    "gc": "the garbage collector as Python sets it",
}
if sys.version_info >= (3, 12):
    MEASURES["eager"] = "each request's task starts eagerly"
"""By name, what is different without it. `eager` is the other way round: Latent does not do it, and might."""


def _nothing_noted(*_: object) -> bytes:
    """In place of keeping heads."""
    return b""


def _nothing_found(_body: bytes) -> None:
    """In place of reading a body that is one array."""


def _never_inline(cpus: int) -> float:  # noqa: ARG001 - in place of a function of the CPUs
    """In place of the seconds that an engine call may take in the event loop."""
    return 0.0


PATCHES: Mapping[str, Mapping[str, Callable[..., object]]] = {
    "heads": {"service.fast_path.known_heads.KnownHeads.note": _nothing_noted},
    "simdjson": {
        "service.verbs.answering.parse_only_array": _nothing_found,
        "service.wire.json_body.parse_only_array": _nothing_found,
    },
    "inline": {"service.models.shelf.inline_limit_s": _never_inline},
}
"""By measure, what stands in its place; the others are settings of the service, of the event loop or of Python."""
_PART = re.compile(rb"(\w+);dur=([\d.]+)")
_TOGETHER = 64
_WARM_TURNS = 20
_POLL_S = 0.01
_POLLS = 6000


def main() -> int:
    """Measure and print, until nobody asks any more."""
    task = json.loads(sys.argv[1])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(task))
    return 0


async def measure(task: dict[str, Any]) -> None:
    """Every request in turn, a round for every line of standard input. Nothing else happens between two rounds."""
    without = task.get("without", "everything")
    settings = Settings(
        store=Path(task["store"]),
        log_format="console" if without == "logs" else "json",
        max_batch_items=1 if without == "batching" else 64,
        fast_path="off" if without == "fast_path" else "on",
    )
    for place, instead in PATCHES.get(without, {}).items():
        mock.patch(place, instead).start()
    if without == "eager":
        asyncio.get_running_loop().set_task_factory(_request_starts_eagerly)
    configure_logging(settings)
    keep_freed_memory()
    app = create_app(settings)
    connect = _connections(app, settings)
    requests = {name: _bytes_of(**request) for name, request in task["requests"].items()}
    async with app.router.lifespan_context(app):
        await _until_ready(app)
        clients = [_Client(connect) for _ in range(_TOGETHER)]
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


def _connections(app: FastAPI, settings: Settings) -> Callable[[], GuardedProtocol]:
    """What makes a connection's protocol, as the service makes it."""
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False, server_header=False)
    config.load()
    server_state = ServerState()
    server_state.default_headers = [(b"date", formatdate(usegmt=True).encode()), *config.encoded_headers]
    return partial(protocol_of(app, settings), config, server_state, {})


def _request_starts_eagerly(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:  # noqa: ANN401 - any task's
    """A task; what answers a request on the fast path runs at once, to where it first waits."""
    if sys.version_info >= (3, 12):
        of_a_request = FastPathProtocol._answer.__code__  # noqa: SLF001 - `begin` makes tasks of nothing else
        options["eager_start"] = getattr(coroutine, "cr_code", None) is of_a_request
    return asyncio.Task(coroutine, loop=loop, **options)


def _bytes_of(path: str, file: str, media_type: str) -> bytes:
    body = Path(file).read_bytes()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: {media_type}\r\nAccept: {media_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _until_ready(app: Any) -> None:  # noqa: ANN401
    for _ in range(_POLLS):
        if not app.state.services.registry.unready():
            await asyncio.sleep(1.5)  # what batches cost is measured when there is nothing else to do
            return
        await asyncio.sleep(_POLL_S)
    raise SystemExit("the application was not ready in time")


class _Client(asyncio.Transport):
    """A connection's other end: `answered` is called with the bytes of every answer that is complete."""

    def __init__(self, connect: Callable[[], GuardedProtocol]) -> None:
        super().__init__({"peername": ("127.0.0.1", id(self) % 60_000), "sockname": ("127.0.0.1", 8000)})
        self.answered: Callable[[bytes], None] = lambda _: None
        self._received = b""
        self._end: int | None = None
        self._protocol = connect()
        self._protocol.connection_made(self)

    def send(self, request: bytes) -> None:
        """As if it had come from the network."""
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

    def get_write_buffer_size(self) -> int:
        """Called by the protocol."""
        return 0

    def can_write_eof(self) -> bool:
        """Called by the protocol."""
        return False

    def close(self) -> None:
        """Called by the protocol."""
        raise SystemExit("the application closes its connection")

    def abort(self) -> None:
        """Called by the protocol."""
        self.close()


async def _together(clients: list[_Client], request: bytes, turns: int) -> None:
    """So many requests of every client, each of which sends its next one when it has its answer."""
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
    """CPU microseconds a request, all clients at once; what it costs to play the clients (0.5 µs) included."""
    turns, until, started = 0, time.perf_counter() + seconds, time.process_time()
    while time.perf_counter() < until:
        await _together(clients, request, 5)
        turns += 5
    return 1e6 * (time.process_time() - started) / (turns * len(clients))


async def _alone(client: _Client, request: bytes, seconds: float) -> dict[str, float]:
    """Median microseconds by part where nothing else is under way; `rest` is what the server adds to its own parts."""
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
