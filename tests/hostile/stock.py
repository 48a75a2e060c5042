"""Stock uvicorn with httptools, to compare with: `python -m tests.hostile.stock` serves until it is terminated.

Its application reads every body, echoes the request's id, and answers with the status that `X-Status` asks for.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import Receive, Scope, Send

from tests.support.server import ROOT, START_S, STOP_S


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    headers = dict(scope["headers"])
    asked = headers.get(b"x-status", b"200")
    status = int(asked) if asked in (b"200", b"404", b"405", b"422") else 200
    content = json.dumps({"bytes": size}).encode()
    own = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    own.append((b"x-request-id", headers.get(b"x-request-id", b"")))
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": content})


@contextmanager
def stock_server() -> Iterator[int]:
    """Run it in a process of its own; yields its port."""
    with subprocess.Popen([sys.executable, "-m", __name__], cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            readable, _, _ = select.select([process.stdout], [], [], START_S)
            assert readable, "stock uvicorn does not start"
            yield int(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(STOP_S)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(
        echo, http="httptools", ws="none", lifespan="off", log_level="critical", proxy_headers=False, loop="uvloop"
    )
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - the starter reads it
    uvicorn.Server(config).run(sockets=[listener])
