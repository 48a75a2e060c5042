"""The number of modules that a request passes stays below its limit."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType

import pytest
import uvicorn

from model_store import ModelStore
from service.app import create_app
from service.models import shelf
from service.server.process import protocol_of
from service.settings import Settings
from tests.support.raw_http import ANSWER_S, request
from tests.support.server import ROOT

MOST_MODULES = 15
PACKAGES = ("service", "model_store")
BODIES = {
    "/encode?model=image": b'{"inputs": [[[0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0], [1, 1, 1, 1], [0.25, 0.5, 0.75, 1]]]}',
    "/decode?model=image": b'{"z": [[0.5, -0.5]]}',
}


@contextmanager
def modules_of_ours() -> Iterator[set[str]]:
    """The modules of `service` and `model_store` in which a function was called, by file."""
    passed: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(ROOT) and file.relative_to(ROOT).parts[0] in PACKAGES:
            passed.add(str(file.relative_to(ROOT)))

    sys.setprofile(note)
    try:
        yield passed
    finally:
        sys.setprofile(None)


@asynccontextmanager
async def listening(store: ModelStore) -> AsyncIterator[int]:
    """The service's own protocol on a port of this event loop."""
    settings = Settings(store=store.path, engine="openvino", log_format="json", cache_dir=store.path.parent / "cache")
    app = create_app(settings)
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False)
    config.load()
    state = uvicorn.server.ServerState()
    async with app.router.lifespan_context(app):
        await app.state.services.registry.settled()
        connect = protocol_of(app, settings)
        server = await asyncio.get_running_loop().create_server(lambda: connect(config, state, {}), "127.0.0.1")
        async with server:
            yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("path", BODIES)
async def test_a_warm_request_passes_few_modules(
    affine_store: ModelStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "inline_limit_s", lambda _: 60.0)  # however slow the machine is, no thread is needed
    data = request(path, BODIES[path])
    async with listening(affine_store) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            fewest: set[str] = set()
            # What goes on beside requests may fall into one: a look at deadlines every 50 ms, the measuring of costs in
            # the first seconds.
            give_up = time.monotonic() + ANSWER_S
            while not fewest or (len(fewest) > MOST_MODULES and time.monotonic() < give_up):
                with modules_of_ours() as passed:
                    writer.write(data)
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                    await asyncio.sleep(0)  # what follows the answer
                assert head.startswith(b"HTTP/1.1 200"), head
                fewest = min(fewest or passed, passed, key=len)
            assert "service/fast_path/uvicorn_protocol.py" in fewest
            assert len(fewest) <= MOST_MODULES, "\n".join(sorted(fewest))
        finally:
            writer.close()
            await writer.wait_closed()
