"""Opening, sharing and closing a client; signatures and docstrings of its methods."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from latent_client import AsyncClient, AsyncPictures, Client, Pictures, verbs
from tests.client.wire_server import MODEL, Received, Reply, Silence, WireServer, npz


def test_one_blocking_client_serves_many_threads(server: WireServer) -> None:
    server.script = lambda request: npz(outputs=request.array() * 2)
    got: dict[int, float] = {}

    def ask(value: int) -> None:
        got[value] = float(client.decode([[float(value)]]).outputs[0, 0])

    with Client(server.url) as client:
        threads = [threading.Thread(target=ask, args=(value,)) for value in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == {value: 2.0 * value for value in range(16)}


async def test_one_asynchronous_client_serves_many_tasks(server: WireServer) -> None:
    meeting = threading.Barrier(8, timeout=60)

    def together(request: Received) -> Reply:
        """Answer nobody before all eight have asked."""
        meeting.wait()
        return npz(outputs=request.array() * 2)

    server.script = together
    async with AsyncClient(server.url, timeout_s=60) as client:
        answers = await asyncio.gather(*(client.decode([[float(value)]]) for value in range(8)))
    assert [answer.outputs[0, 0] for answer in answers] == [2.0 * value for value in range(8)]


async def test_a_cancelled_call_is_not_repeated(server: WireServer) -> None:
    asked = threading.Event()

    def mute(_: Received) -> Reply:
        asked.set()
        raise Silence

    server.script = mute
    async with AsyncClient(server.url) as client:
        call = asyncio.create_task(client.decode([[0.0]]))
        await asyncio.to_thread(asked.wait)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert len(server.received) == 1


def test_a_connection_is_used_again_and_closed_at_the_end(server: WireServer) -> None:
    server.play(npz(outputs=[[1.0]]))
    with Client(server.url) as client:
        for _ in range(3):
            client.decode([[0.0]])
    assert len({request.peer for request in server.received}) == 1
    with pytest.raises(RuntimeError, match="closed"):
        client.decode([[0.0]])


async def test_an_application_in_process_needs_no_network() -> None:
    async def decode(request: Request) -> Response:
        assert request.headers["content-type"] == "application/x-npy"
        reply = npz(outputs=np.full((1, 2), 0.5))
        return Response(reply.body, headers=reply.headers)

    app = Starlette(routes=[Route("/decode", decode, methods=["POST"])])
    async with AsyncClient("http://latent", transport=httpx.ASGITransport(app)) as client:
        answer = await client.decode([[0.0]])
    assert (answer.outputs.tolist(), answer.model) == ([[0.5, 0.5]], MODEL)


def test_a_call_can_be_made_first_and_sent_later(server: WireServer) -> None:
    server.play(npz(seed=1, prior="standard", z=[[0.0]], outputs=[[1.0]]))
    call = verbs.sample(1, seed=1)
    assert len(server.received) == 0
    with Client(server.url) as client:
        assert client.run(call).seed == 1
    assert json.loads(server.received[0].body)["n"] == 1


VERBS = ["encode", "decode", "reconstruct", "interpolate", "sample", "manifold", "models", "model", "version", "map"]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name", VERBS)
def test_methods_show_what_they_take_and_give(kind: type[Client | AsyncClient], name: str) -> None:
    plan, method = getattr(verbs, name), getattr(kind, name)
    shown = inspect.signature(method)
    assert list(shown.parameters) == ["self", *inspect.signature(plan).parameters]
    assert f"Call[{shown.return_annotation}]" == inspect.signature(plan).return_annotation
    assert method.__doc__ == plan.__doc__
    assert inspect.iscoroutinefunction(method) == (kind is AsyncClient)


def test_both_clients_and_both_kinds_of_pictures_can_do_the_same() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(Client) - {"close"} == public(AsyncClient) - {"aclose"}
    assert public(Pictures) == public(AsyncPictures)
    assert len(public(Client) & set(VERBS)) == 10
