"""The headers of every answer."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.service.wire import halves, read_json
from tests.support.problems import assert_problem

BODY = {"inputs": [halves(0, 1)]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/encode", BODY),
        ("POST", "/decode", {"z": [[0, 0]]}),
        ("POST", "/reconstruct", BODY),
        ("POST", "/interpolate", {"z": [[0, 0], [1, 1]]}),
        ("POST", "/sample", {}),
        ("GET", "/sample", None),
        ("GET", "/manifold", None),
    ],
)
def test_every_verb_names_its_version_and_its_times(
    one: httpx.Client, method: str, path: str, body: dict[str, object] | None
) -> None:
    response = one.request(method, path, params={"model": "image@latest"}, json=body)
    assert response.status_code == 200
    assert response.headers["x-latent-model"] == "image@1"
    timing = re.fullmatch(
        r"parse;dur=([\d.]+), queue;dur=([\d.]+), infer;dur=([\d.]+), render;dur=([\d.]+)",
        response.headers["server-timing"],
    )
    assert timing is not None
    assert 0.0 < float(timing[3]) < sum(map(float, timing.groups())) < 30_000


def test_an_error_about_a_model_names_its_version_too(one: httpx.Client) -> None:
    response = one.post("/decode?model=image", json={"z": [[1]]})
    assert_problem(response, 422, "latent-size-mismatch")
    assert response.headers["x-latent-model"] == "image@1"


@pytest.mark.parametrize("request_id", ["a", "0" * 128, "trace/7:child=2", "!~"])
def test_a_request_id_is_echoed(one: httpx.Client, request_id: str) -> None:
    for path in ("/livez", "/models", "/nothing-here", "/sample?model=image"):
        assert one.get(path, headers={"X-Request-ID": request_id}).headers["x-request-id"] == request_id


@pytest.mark.parametrize("request_id", [b"", b"0" * 129, b"two words", b"\xc3\xa4", b"tab\there"])
def test_any_other_request_id_is_replaced(one: httpx.Client, request_id: bytes) -> None:
    response = one.get("/livez", headers={b"X-Request-ID": request_id})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


def test_two_requests_have_two_ids(one: httpx.Client) -> None:
    assert len({one.get("/livez").headers["x-request-id"] for _ in range(5)}) == 5


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/models", "/models/image", "/", "/docs", "/sample?model=image"])
def test_head_answers_as_get_does_without_a_body(one: httpx.Client, path: str) -> None:
    response = one.head(path)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["content-type"] == one.get(path).headers["content-type"]


@pytest.mark.parametrize(
    ("given", "named"), [("image", "image@1"), ("image@1", "image@1"), ("image@latest", "image@1")]
)
def test_a_model_is_named_with_or_without_a_version(one: httpx.Client, given: str, named: str) -> None:
    assert read_json(one.post("/decode", params={"model": given}, json={"z": [[0, 0]]}))["model"] == named


def test_the_server_does_not_say_what_it_is_made_of(one: httpx.Client) -> None:
    assert "server" not in one.get("/livez").headers
