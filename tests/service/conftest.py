"""Services with the affine models: one for each engine, and one with low limits."""

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


@pytest.fixture(scope="session")
def openvino_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="openvino") as server:
        yield server


@pytest.fixture(scope="session")
def tensorflow_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="tensorflow") as server:
        yield server


@pytest.fixture(scope="session")
def tight_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    """Limits that a small request reaches: TIGHT_LIMITS."""
    with running_server(affine_store.path, engine="openvino", **TIGHT_LIMITS) as server:
        yield server


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
