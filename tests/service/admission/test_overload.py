"""A crowd that comes at once, on the fast path and on FastAPI's routes. What an answer takes is given, not measured."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing

import pytest
import uvicorn
from uvicorn.server import ServerState

from model_store import ModelStore
from service.admission.deadlines import Deadlines
from service.app import create_app
from service.server.process import protocol_of
from service.settings import Settings
from tests.service.conftest import BOTH_WAYS
from tests.support.raw_http import request

CROWD = 300
SECONDS_PER_ANSWER = 0.001
TIMEOUT_S = 1.0
"""A tenth of it is room for a hundred answers."""
BODY = json.dumps({"z": [[0.5, 0.25]]}).encode()


@pytest.fixture(params=BOTH_WAYS)
async def port(affine_store: ModelStore, request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """The service's own protocol on a port of this event loop; the load shedder learns nothing."""
    settings = Settings(
        store=affine_store.path, engine="openvino", log_level="error", model="image", fast_path=request.param
    )
    app = create_app(settings)
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False)
    config.load()
    async with app.router.lifespan_context(app):
        await app.state.services.registry.settled()
        admission = app.state.services.admission
        admission.deadlines = Deadlines()
        admission.shedder.seconds_per_answer = SECONDS_PER_ANSWER
        connect = protocol_of(app, settings)
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: connect(config, state, {}), "127.0.0.1", backlog=CROWD)
        async with server:
            yield server.sockets[0].getsockname()[1]
            for connection in list(state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)


async def test_as_many_are_let_in_as_a_tenth_of_their_time_holds(port: int) -> None:
    with ExitStack() as stack:
        crowd = [stack.enter_context(closing(socket.create_connection(("127.0.0.1", port)))) for _ in range(CROWD)]
        streams = [await asyncio.open_connection(sock=connection) for connection in crowd]
        for number, connection in enumerate(crowd):  # before the service's turn
            connection.send(request("/decode", BODY, timeout_s=TIMEOUT_S, request_id=f"n{number}"))
        answers = []
        for number, (reader, _) in enumerate(streams):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = json.loads(await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])))
            assert b"x-request-id: n%d\r\n" % number in head
            answers.append(int(head.split()[1]))
            if answers[-1] == 503:
                assert body["type"] == "/problems/overloaded"
                assert b"retry-after: 1\r\n" in head
                assert b"connection:" not in head
        most = round(0.1 * TIMEOUT_S / SECONDS_PER_ANSWER) + 1
        assert answers.count(200) == most
        assert answers.count(503) == CROWD - most
        for _, writer in streams:
            writer.close()
