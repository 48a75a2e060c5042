"""Every test runs twice: with the blocking client, and with the asynchronous one driven step by step."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any, Protocol, TypedDict, Unpack, cast

import pytest

from latent_client import AsyncClient, AsyncPictures, Client
from tests.client.wire_server import WireServer, wire_server


class Settings(TypedDict, total=False):
    model: str
    timeout_s: float
    retries: int
    headers: dict[str, str]
    chunk_items: int
    chunk_bytes: int


class Connect(Protocol):
    """Make a client of the test's server, or of `url`."""

    def __call__(self, url: str | None = None, **settings: Unpack[Settings]) -> Client: ...


class _Driven:
    """An asynchronous client to be used like a blocking one."""

    def __init__(self, target: AsyncClient | AsyncPictures, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> object:
        method = getattr(self._target, name)

        def call(*args: object, **options: object) -> object:
            result = method(*args, **options)
            if inspect.isawaitable(result):
                return self._runner.run(cast("Any", result))
            return _Driven(result, self._runner) if isinstance(result, AsyncPictures) else result

        return call


@pytest.fixture
def server() -> Iterator[WireServer]:
    with wire_server() as running:
        yield running


@pytest.fixture(params=["blocking", "asynchronous"])
def connect(request: pytest.FixtureRequest, server: WireServer) -> Iterator[Connect]:
    if request.param == "blocking":
        opened: list[Client] = []

        def blocking(url: str | None = None, **settings: Unpack[Settings]) -> Client:
            opened.append(Client(url or server.url, **settings))
            return opened[-1]

        yield blocking
        for client in opened:
            client.close()
        return

    with asyncio.Runner() as runner:
        waiting: list[AsyncClient] = []

        def driven(url: str | None = None, **settings: Unpack[Settings]) -> Client:
            waiting.append(AsyncClient(url or server.url, **settings))
            return cast("Client", _Driven(waiting[-1], runner))

        yield driven
        for client_ in waiting:
            runner.run(client_.aclose())


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect()
