"""Latent's application without a socket: where the microseconds of one request go.

    python -m benchmarks.serving.in_process '{"store": …, "bodies": {NAME: {"path", "file", "media_type"}}, …}'

Builds the application of a store, waits until it is ready and calls it as a server would, one request after the other.
Its parts are the application's own Server-Timing. Prints JSON: for every name, by part, microseconds a request, one
number a round (the median of that round's requests).
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from service.app import create_app
from service.logs import configure_logging
from service.settings import Settings

PARTS = ("parse", "queue", "infer", "render")
_PART = re.compile(r"(\w+);dur=([\d.]+)")
_WARM_REQUESTS = 200
_POLL_S = 0.01
_POLLS = 6000


def main() -> int:
    """Measure and print."""
    task = json.loads(sys.argv[1])
    task["bodies"] = {
        name: (body["path"], Path(body["file"]).read_bytes(), body["media_type"])
        for name, body in task["bodies"].items()
    }
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure(task))))
    return 0


async def measure(task: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Every body (path, content, media type) in turn, round after round."""
    settings = Settings(store=Path(task["store"]))
    configure_logging(settings)
    app = create_app(settings)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in task["bodies"]}
    requests = {name: ("POST", *request) for name, request in task["bodies"].items()}
    async with app.router.lifespan_context(app):
        await until_ready(app)
        for request in requests.values():
            for _ in range(_WARM_REQUESTS):
                await call(app, *request)
        for _ in range(task["rounds"]):
            for name, request in requests.items():
                for part, us in (await one_round(app, request, task["seconds"])).items():
                    found[name].setdefault(part, []).append(us)
    return found


async def until_ready(app: Any) -> None:  # noqa: ANN401
    """Return once it can answer."""
    for _ in range(_POLLS):
        if (await call(app, "GET", "/readyz", b"", ""))[0] == 200:
            return
        await asyncio.sleep(_POLL_S)
    raise SystemExit("the application was not ready in time")


async def one_round(app: Any, request: tuple[str, str, bytes, str], seconds: float) -> dict[str, float]:  # noqa: ANN401
    """Median microseconds by part; `rest` is what the application adds to its own parts, `whole` is all of it."""
    parts: dict[str, list[float]] = {}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        status, timing = await call(app, *request)
        whole = 1e6 * (time.perf_counter() - started)
        if status != 200:
            raise SystemExit(f"{request[1]} answers {status}")
        own = dict.fromkeys(PARTS, 0.0) | {name: 1e3 * float(ms) for name, ms in _PART.findall(timing)}
        for name, us in {**own, "rest": whole - sum(own.values()), "whole": whole}.items():
            parts.setdefault(name, []).append(us)
    return {name: statistics.median(values) for name, values in parts.items()}


async def call(app: Any, method: str, path: str, body: bytes, media_type: str) -> tuple[int, str]:  # noqa: ANN401
    """Status and Server-Timing of one request."""
    headers = [(b"host", b"127.0.0.1:8000")]
    if body:
        headers += [(b"content-type", media_type.encode()), (b"accept", media_type.encode())]
        headers += [(b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "state": {},
    }
    answer: dict[str, Any] = {}
    bodies = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if bodies:
            return bodies.pop()
        await asyncio.get_running_loop().create_future()  # the client stays until it has its answer
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.update(message)

    await app(scope, receive, send)
    timing = next((value for name, value in answer["headers"] if name.lower() == b"server-timing"), b"")
    return int(answer["status"]), timing.decode()


if __name__ == "__main__":
    sys.exit(main())
