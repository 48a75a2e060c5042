"""Encodes and decodes arrays and pictures for the bodies of test requests."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_store.arrays import UInt8

Array = NDArray[Any]

NPY = {"Content-Type": "application/x-npy"}
PNG = {"Content-Type": "image/png"}
JSON = {"Content-Type": "application/json"}


def npy(array: Array) -> bytes:
    """One array as an npy body."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def read_npy(response: httpx.Response) -> Array:
    """The array of an npy answer."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-npy"
    return np.asarray(np.load(io.BytesIO(response.content), allow_pickle=False))


def read_npz(response: httpx.Response) -> dict[str, Array]:
    """Every array of an npz answer."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-npz"
    with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_json(response: httpx.Response) -> dict[str, Any]:
    """The fields of a JSON answer."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    fields: dict[str, Any] = response.json()
    return fields


def picture(pixels: Array, kind: str = "PNG", **options: object) -> bytes:
    """Pixels (h, w) or (h, w, c) as an encoded image."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read_pixels(data: bytes) -> UInt8:
    """An encoded image as pixels (h, w) or (h, w, c)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def read_png(response: httpx.Response) -> UInt8:
    """The pixels of a PNG answer."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return read_pixels(response.content)


def halves(left: float, right: float) -> list[list[float]]:
    """A 4 × 4 picture of two grey halves: what the decoder of `image` answers to (4 left - 2, 4 right - 2)."""
    return [[left, left, right, right]] * 4


def close(got: object, expected: object, *, rtol: float = 1e-7, atol: float = 0.0) -> None:
    """Hold numbers, as nested lists or arrays, to others: |got - expected| <= atol + rtol · |expected|."""
    np.testing.assert_allclose(np.asarray(got, np.float64), np.asarray(expected, np.float64), rtol=rtol, atol=atol)
