"""Limits on pictures' pixels: checked by the announced size, before any picture is decoded."""

from __future__ import annotations

import struct
import threading
import zlib
from typing import Any

import httpx
import numpy as np
import pytest

from model_store import ModelStore
from model_store.errors import ImageTooLarge, ImageUnreadable
from model_store.preprocess import announced_pixels, image_to_input, read_image
from service.verbs import call as calls
from tests.service.wire import PNG, base64_text, picture
from tests.support.problems import assert_problem
from tests.support.server import RunningServer, running_server

BLACK_WEBP = bytes.fromhex("524946461a000000574542505650384c0e0000002fffcfff03071011fd0f4444ff03")
"""4096 × 4096 pixels in 34 bytes."""
BLACK_PIXELS = 4096 * 4096


def webp(width: int, height: int, **options: object) -> bytes:
    return picture(np.zeros((height, width, 3)), "WEBP", **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def two_headers() -> bytes:
    """A PNG that announces one pixel first, and 2048 × 2048 in a second header."""

    def header(side: int) -> bytes:
        return chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))

    pixels = zlib.compress(bytes(2049) * 2048)
    return b"\x89PNG\r\n\x1a\n" + header(1) + header(2048) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (BLACK_WEBP, BLACK_PIXELS),
        (picture(np.zeros((5, 7))), 35),
        (picture(np.zeros((5, 7, 3)), "JPEG"), 35),
        (webp(7, 5, lossless=True), 35),
        (webp(7, 5, quality=50), 35),
        (webp(7, 5, quality=50, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"), 35),
    ],
)
def test_a_header_tells_the_pixels(data: bytes, pixels: int) -> None:
    assert announced_pixels(data) == pixels
    with pytest.raises(ImageTooLarge):
        announced_pixels(data, max_pixels=pixels - 1)
    with pytest.raises(ImageTooLarge):
        read_image(data, max_pixels=pixels - 1)


@pytest.mark.parametrize("data", [b"", b"RIFF", BLACK_WEBP[:20], b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(40)])
def test_what_is_no_picture_announces_nothing(data: bytes) -> None:
    with pytest.raises(ImageUnreadable):
        announced_pixels(data)


def test_no_more_is_decoded_than_the_first_header_announces() -> None:
    data = two_headers()
    assert announced_pixels(data) == 1
    with pytest.raises((ImageTooLarge, ImageUnreadable)):
        read_image(data, max_pixels=announced_pixels(data))


# -- where they are decoded --------------------------------------------------------------------------------


@pytest.fixture
def decoded_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The thread that each picture was decoded in."""
    threads: list[str] = []

    def noted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the real one takes
        threads.append(threading.current_thread().name)
        return image_to_input(*args, **kwargs)

    monkeypatch.setattr(calls, "image_to_input", noted)
    return threads


async def test_a_few_small_pictures_are_decoded_in_the_event_loop_and_no_others(
    decoded_in: list[str], in_process: httpx.AsyncClient
) -> None:
    small, large = picture(np.zeros((28, 28))), webp(300, 300)
    for images, here in (
        ([small], True),
        ([small] * 8, True),
        ([small] * 17, False),
        ([large], False),
        ([small, BLACK_WEBP], False),
    ):
        decoded_in.clear()
        response = await in_process.post(
            "/encode?model=image", json={"images": [base64_text(image) for image in images]}
        )
        assert response.status_code == 200
        assert len(decoded_in) == len(images)
        assert len(set(decoded_in)) == 1
        assert decoded_in[0].startswith("latent-pictures") is not here
    assert len(large) < 64 << 10, "its bytes alone would not tell"


# -- a whole request ---------------------------------------------------------------------------------------


def test_the_pixels_of_a_request_are_bounded(openvino_server: RunningServer) -> None:
    images = [base64_text(BLACK_WEBP)] * 100
    response = openvino_server.http.post("/encode?model=image", json={"images": images})
    problem = assert_problem(response, 413, "too-many-pixels")
    assert problem["errors"] == [
        {
            "loc": ["images", 4],
            "expected": "at most 67108864 pixels in all",
            "got": f"{5 * BLACK_PIXELS} pixels in the first 5 of 100 images",
        }
    ]
    files = [("f", (f"{number}.webp", BLACK_WEBP, "image/webp")) for number in range(5)]
    assert_problem(openvino_server.http.post("/reconstruct?model=image", files=files), 413, "too-many-pixels")


def test_the_bound_is_a_setting(affine_store: ModelStore) -> None:
    files = [("f", (f"{number}.png", picture(np.zeros((10, 10))), "image/png")) for number in range(3)]
    with running_server(affine_store.path, max_request_pixels=250) as server:
        assert server.http.post("/encode?model=image", files=files[:2]).status_code == 200
        assert_problem(server.http.post("/encode?model=image", files=files), 413, "too-many-pixels")


async def test_nothing_is_decoded_after_the_deadline(decoded_in: list[str], in_process: httpx.AsyncClient) -> None:
    body = {"images": [base64_text(BLACK_WEBP)] * 4}
    response = await in_process.post("/encode?model=image", json=body, headers={"X-Request-Timeout": "0.001"})
    assert (response.status_code, response.json()["type"]) == (504, "/problems/deadline-exceeded")
    assert len(decoded_in) <= 1


def test_one_large_picture_is_still_welcome(openvino_server: RunningServer) -> None:
    headers = {**PNG, "Content-Type": "image/webp"}
    assert openvino_server.http.post("/encode?model=image", content=BLACK_WEBP, headers=headers).status_code == 200
