"""CORS: pages of other origins are refused unless LATENT_CORS_ORIGINS names them, on the fast path and on routes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from model_store import ModelStore
from tests.support.problems import assert_problem
from tests.support.server import RunningServer, running_server

HOME = "https://lab.example"
OTHER = "https://other.example"
CODE = {"z": [[0, 0]]}
EXPOSED = {"x-request-id", "x-latent-model", "x-latent-seed", "server-timing", "etag", "retry-after"}


@pytest.fixture(scope="module")
def server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(
        affine_store.path, model="image", root_path="/latent", cors_origins=f"{HOME},http://localhost:3000"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def open_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, model="image", cors_origins="*") as running:
        yield running


def preflight(client: httpx.Client, path: str, origin: str, method: str, headers: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return client.options(path, headers=asked)


def listed(response: httpx.Response, name: str) -> set[str]:
    return {part.strip().lower() for part in response.headers.get(name, "").split(",")} - {""}


def assert_no_cors(response: httpx.Response) -> None:
    assert {name for name in response.headers if name.startswith("access-control-")} == set()


REQUESTS = [("POST", "/decode", CODE), ("POST", "/latent/decode", CODE), ("GET", "/models", None), ("GET", "/", None)]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("origin", [HOME, "http://localhost:3000"])
def test_a_page_that_is_named_may_read(
    server: RunningServer, method: str, path: str, body: object, origin: str
) -> None:
    response = server.http.request(method, path, json=body, headers={"Origin": origin})
    assert response.status_code == 200
    assert response.headers.get_list("access-control-allow-origin") == [origin]
    assert listed(response, "access-control-expose-headers") == EXPOSED
    assert "access-control-allow-credentials" not in response.headers
    assert "origin" in listed(response, "vary")


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("origin", [OTHER, "null", "https://lab.example:8443", "http://lab.example", None])
def test_any_other_may_not(server: RunningServer, method: str, path: str, body: object, origin: str | None) -> None:
    """The answer itself is the same: it is the browser that keeps it from the page. Caches must tell the two apart."""
    headers = {} if origin is None else {"Origin": origin}
    response = server.http.request(method, path, json=body, headers=headers)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    assert "origin" in listed(response, "vary")


def test_what_varies_by_type_varies_by_origin_too(server: RunningServer) -> None:
    for origin in (HOME, OTHER):
        response = server.http.get("/models/image/map", headers={"Origin": origin})
        assert listed(response, "vary") == {"accept", "origin"}
        kept = server.http.get(
            "/models/image/map", headers={"Origin": origin, "If-None-Match": response.headers["etag"]}
        )
        assert (kept.status_code, listed(kept, "vary")) == (304, {"accept", "origin"})
        assert kept.headers.get("access-control-allow-origin") == (HOME if origin == HOME else None)


@pytest.mark.parametrize("path", ["/encode", "/decode", "/latent/encode", "/models/image/map", "/nothing"])
def test_a_preflight_is_answered_before_anything_else(server: RunningServer, path: str) -> None:
    sent = "content-type, x-request-id, x-request-timeout, if-none-match, authorization"
    response = preflight(server.http, path, HOME, "POST", sent)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == HOME
    assert listed(response, "access-control-allow-methods") == {"get", "head", "post"}
    assert {name.strip() for name in sent.split(",")} <= listed(response, "access-control-allow-headers")


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [(OTHER, "POST", "content-type"), (HOME, "DELETE", "content-type"), (HOME, "POST", "x-other")],
)
def test_a_preflight_that_asks_for_more_is_refused(
    server: RunningServer, origin: str, method: str, headers: str
) -> None:
    response = preflight(server.http, "/encode", origin, method, headers)
    assert response.status_code == 400
    assert response.headers.get("access-control-allow-origin") == (HOME if origin == HOME else None)


def test_an_error_can_be_read_too(server: RunningServer) -> None:
    headers = {"Origin": HOME}
    refused = server.http.post("/decode", json={"z": [[0]]}, headers=headers)
    assert_problem(refused, 422, "latent-size-mismatch")
    missing = server.http.get("/nothing", headers=headers)
    assert_problem(missing, 404, "not-found")
    for response in (refused, missing):
        assert response.headers["access-control-allow-origin"] == HOME


def test_a_star_is_anybody(open_server: RunningServer) -> None:
    for method, path, body in (("POST", "/decode", CODE), ("GET", "/models/image/map", None)):
        response = open_server.http.request(method, path, json=body, headers={"Origin": OTHER})
        assert response.headers["access-control-allow-origin"] == "*"
    assert preflight(open_server.http, "/encode", OTHER, "POST", "content-type").status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), [("POST", "/decode?model=image", CODE), ("GET", "/models", None)])
def test_there_is_none_of_it_unless_it_was_asked_for(one: httpx.Client, method: str, path: str, body: object) -> None:
    response = one.request(method, path, json=body, headers={"Origin": HOME})
    assert response.status_code == 200
    assert_no_cors(response)
    assert "origin" not in listed(response, "vary")
    refused = preflight(one, "/encode", HOME, "POST", "content-type")
    assert_problem(refused, 405, "method-not-allowed")
    assert_no_cors(refused)
