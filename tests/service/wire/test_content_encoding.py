"""Bodies with a Content-Encoding: refused by every verb, with the coding that is taken."""

from __future__ import annotations

import gzip

import httpx
import numpy as np
import pytest

from tests.service.wire import halves, npy, picture
from tests.support.problems import assert_problem

BODIES = {
    "application/json": b'{"inputs": [[[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0,0]]]}',
    "application/x-npy": npy(np.array([halves(0, 1)])),
    "image/png": picture(np.zeros((4, 4))),
}


@pytest.mark.parametrize("content_type", BODIES)
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "x" * 300])
@pytest.mark.parametrize("verb", ["encode", "reconstruct"])
def test_an_encoded_body_is_refused(either: httpx.Client, verb: str, encoding: str, content_type: str) -> None:
    response = either.post(
        f"/{verb}?model=image",
        content=gzip.compress(BODIES[content_type]),
        headers={"Content-Type": content_type, "Content-Encoding": encoding},
    )
    body = assert_problem(response, 415, "unsupported-media-type")
    assert "send the body as it is" in body["detail"]
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("path", ["/decode?model=image", "/interpolate?model=image", "/sample?model=image"])
def test_every_verb_refuses_it(either: httpx.Client, path: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = either.post(path, content=gzip.compress(b"{}"), headers=headers)
    assert_problem(response, 415, "unsupported-media-type")
    assert response.headers["accept-encoding"] == "identity"


def test_two_encodings_in_two_fields_are_both_read(either: httpx.Client) -> None:
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]
    assert either.post("/sample?model=image", content=b"{}", headers=headers).status_code == 415


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity, identity"])
def test_a_body_as_it_is(either: httpx.Client, encoding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    assert either.post("/sample?model=image", content=b"{}", headers=headers).status_code == 200


def test_another_type_says_nothing_of_encodings(either: httpx.Client) -> None:
    response = either.post("/sample", params={"model": "image"}, content=b"x", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert "accept-encoding" not in response.headers
