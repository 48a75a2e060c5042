"""Services over the affine models: one for each engine, and for each way of a request; some with tight limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from model_store import ModelStore
from service.app import create_app
from service.settings import Settings
from tests.support.server import RunningServer, running_server

TIGHT_LIMITS: dict[str, Any] = {
    "max_body_bytes": 20_000,
    "max_items": 8,
    "max_output_bytes": 4_000,
    "max_pixels": 4_096,
    "max_timeout_s": 60,
}
BOTH_WAYS = [pytest.param("on", id="fast path"), pytest.param("off", id="routes")]
"""LATENT_FAST_PATH, which decides the way that a posted verb goes."""


@pytest.fixture(scope="session")
def openvino_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="openvino") as server:
        yield server


@pytest.fixture(scope="session")
def tensorflow_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="tensorflow") as server:
        yield server


@pytest.fixture(scope="session")
def routes_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    """FastAPI's routes answer everything."""
    with running_server(affine_store.path, engine="openvino", fast_path="off") as server:
        yield server


@pytest.fixture(scope="session")
def tight_openvino_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="openvino", **TIGHT_LIMITS) as server:
        yield server


@pytest.fixture(scope="session")
def tight_routes_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="openvino", fast_path="off", **TIGHT_LIMITS) as server:
        yield server


@pytest.fixture(params=BOTH_WAYS)
def server(request: pytest.FixtureRequest) -> RunningServer:
    """A service with the fast path, then one without it."""
    return _of_way(request, {"on": "openvino_server", "off": "routes_server"})


@pytest.fixture(params=BOTH_WAYS)
def tight_server(request: pytest.FixtureRequest) -> RunningServer:
    """The same with limits that a small request reaches: TIGHT_LIMITS."""
    return _of_way(request, {"on": "tight_openvino_server", "off": "tight_routes_server"})


def _of_way(request: pytest.FixtureRequest, fixtures: dict[str, str]) -> RunningServer:
    server: RunningServer = request.getfixturevalue(fixtures[request.param])
    return server


@pytest.fixture(params=["openvino", "tensorflow"])
def http(request: pytest.FixtureRequest) -> httpx.Client:
    """A client of a service on each engine in turn."""
    server: RunningServer = request.getfixturevalue(f"{request.param}_server")
    return server.http


@pytest.fixture
def one(openvino_server: RunningServer) -> httpx.Client:
    """A client of the service on the default engine, for what no engine touches."""
    return openvino_server.http


@pytest.fixture
def either(server: RunningServer) -> httpx.Client:
    """A client of the service with the fast path, then of the one without it."""
    return server.http


@pytest.fixture
def tight(tight_server: RunningServer) -> httpx.Client:
    """A client of the service with tight limits."""
    return tight_server.http


@pytest.fixture
async def in_process(affine_store: ModelStore) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application inside this process, for what can only be seen from there."""
    app = create_app(Settings(store=affine_store.path, engine="openvino", log_format="json"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service", timeout=60.0) as client,
    ):
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.02)
        yield client
