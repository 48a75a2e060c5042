"""Nothing that a client sends holds up the event loop: what takes long runs in a thread of its own pool.

Asserted by the thread that the work ran on, not by a clock.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from model_store import ModelStore
from service.app import create_app
from service.settings import Settings
from service.verbs import call as verbs_call
from service.wire import bodies, replies

Ran = list[tuple[str, str]]


@pytest.fixture
async def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Functions that may take long, as (name, thread), in the order in which they were called."""
    found: Ran = []

    def follow(module: Any, name: str) -> None:  # noqa: ANN401 - a module
        original: Callable[..., Any] = getattr(module, name)

        def followed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            found.append((name, threading.current_thread().name))
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, followed)

    for module, name in [
        (bodies, "parse_json"),
        (bodies, "parse_object"),
        (bodies, "parse_multipart"),
        (verbs_call, "image_to_input"),
        (verbs_call, "array_to_input"),
        (verbs_call, "output_to_user"),
        (replies, "moving"),
        (replies, "png"),
    ]:
        follow(module, name)
    return found


@pytest.fixture
async def client(affine_store: ModelStore) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(store=affine_store.path, engine="openvino", log_level="error"))
    async with app.router.lifespan_context(app):
        await app.state.services.registry.settled()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as opened:
            yield opened


def png_of(height: int, width: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(content, "PNG")
    return content.getvalue()


def form_of(files: int, content: bytes) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    return (part + content + b"\r\n") * files + b"--b--\r\n"


POOLS = {"pictures": "latent-pictures", "bodies": "latent-bodies", "rendering": "latent-rendering"}


@pytest.mark.parametrize(
    ("path", "kind", "content", "function", "pool"),
    [
        pytest.param("/encode", "image/png", png_of(1000, 1000), "image_to_input", "pictures", id="a picture"),
        pytest.param(
            "/encode", "multipart/form-data; boundary=b", form_of(17, png_of(28, 28)), "image_to_input", "pictures",
            id="many small pictures",
        ),
        pytest.param(
            "/encode", "multipart/form-data; boundary=b", form_of(2, png_of(28, 28) + bytes(40_000)),
            "parse_multipart", "bodies", id="a large form",
        ),
        pytest.param(
            "/encode", "application/json", b'{"inputs": [[' + b"1," * 60_000 + b"true]]}", "parse_object", "bodies",
            id="JSON whose error is found value by value",
        ),
        pytest.param(
            "/encode", "application/json", b'{"inputs": [' + b"[" * 50_000 + b"]" * 50_000 + b"]}", "parse_object",
            "bodies", id="deep JSON",
        ),
        pytest.param(
            "/encode", "application/json", json.dumps({"sample": "x" * 80_000}).encode(), "parse_object", "bodies",
            id="a long text",
        ),
        pytest.param(
            "/encode", "application/json", b'{"inputs": [' + b"1," * 400_000 + b"1]}", "parse_json", "bodies",
            id="many numbers",
        ),
        pytest.param(
            "/sample?n=100&as=png&model=image", "application/json", b"", "png", "rendering", id="many small PNGs"
        ),
        pytest.param(
            "/sample?n=16&scale=16&model=image", "image/png", b"", "png", "rendering", id="a magnified sheet"
        ),
    ],
)  # fmt: skip
async def test_what_takes_long_runs_in_its_pool(
    client: httpx.AsyncClient, ran: Ran, path: str, kind: str, content: bytes, function: str, pool: str
) -> None:
    if path.startswith("/sample"):
        await client.get(path, headers={"Accept": kind})
    else:
        await client.post(f"{path}?model=image", content=content, headers={"Content-Type": kind})
    threads = {thread for name, thread in ran if name == function}
    assert threads, ran
    assert all(thread.startswith(POOLS[pool]) for thread in threads), threads


async def test_what_is_short_needs_no_thread(client: httpx.AsyncClient, ran: Ran) -> None:
    here = threading.current_thread().name
    await client.post("/encode?model=image", content=png_of(28, 28), headers={"Content-Type": "image/png"})
    await client.post("/decode?model=image", json={"z": [[0.0, 1.0]], "scale": 1})
    await client.post("/decode?model=image", json={"z": [[0.0, 1.0]]})
    assert {thread for _, thread in ran} == {here}, ran
