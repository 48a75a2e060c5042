"""Every limit, just below and just above; and malformed bodies over a bare socket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import numpy as np
import pytest

from model_store import ModelStore
from tests.service.conftest import BOTH_WAYS, TIGHT_LIMITS
from tests.service.stores import wait_for_log
from tests.service.wire import JSON, NPY, PNG, npy, picture, read_json, read_png
from tests.support.problems import assert_problem
from tests.support.raw_http import ANSWER_S, Connection, request
from tests.support.server import RunningServer, running_server

GOOD = {"z": [[0, 0]]}
MAX_BODY = TIGHT_LIMITS["max_body_bytes"]
BODY_TIMEOUT_S = 0.5


def padded(size: int) -> bytes:
    """A good request for codes of `image`, of exactly so many bytes."""
    body = json.dumps(GOOD).encode()
    return body + b" " * (size - len(body))


def head(**headers: str) -> bytes:
    """A posted code up to its body; underscores in the names of headers stand for hyphens."""
    return request("/decode?model=image", headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def wire(tight_server: RunningServer) -> Iterator[Connection]:
    with tight_server.connect() as connection:
        yield connection


def last_answer(wire: Connection, server: RunningServer) -> httpx.Response:
    """The next answer, after which the server closes the connection."""
    answer = wire.read_answer()
    assert wire.is_closed()
    return answer.as_httpx(server.url)


# -- bytes -------------------------------------------------------------------------------------------------


def test_a_body_of_just_the_limit_is_read(tight: httpx.Client) -> None:
    assert read_json(tight.post("/decode?model=image", content=padded(MAX_BODY), headers=JSON))["model"] == "image@1"


@pytest.mark.parametrize("size", [MAX_BODY + 1, 10 * MAX_BODY, 4_000_000])
def test_a_body_over_the_limit_is_refused_whole_or_in_pieces(tight: httpx.Client, size: int) -> None:
    body = padded(size)
    response = tight.post("/decode?model=image", content=body, headers=JSON)
    assert str(MAX_BODY) in assert_problem(response, 413, "body-too-large")["detail"]
    pieces = (body[start : start + 10_000] for start in range(0, size, 10_000))
    assert_problem(tight.post("/decode?model=image", content=pieces, headers=JSON), 413, "body-too-large")
    assert tight.post("/decode?model=image", json=GOOD).status_code == 200


def test_a_huge_content_length_is_refused_before_the_body(tight_server: RunningServer, wire: Connection) -> None:
    wire.send(head(Content_Length=str(10**15)))
    response = last_answer(wire, tight_server)
    assert str(10**15) in assert_problem(response, 413, "body-too-large")["detail"]
    assert response.headers["connection"] == "close"


def test_a_client_that_asks_first_is_told_at_once(tight_server: RunningServer, wire: Connection) -> None:
    """One that does not is let through for a moment. That would begin with `100 Continue`: no such answer comes."""
    wire.send(head(Content_Length=str(10**9), Expect="100-continue"))
    assert_problem(last_answer(wire, tight_server), 413, "body-too-large")


def test_a_chunked_body_without_end(tight_server: RunningServer, wire: Connection) -> None:
    wire.send(head(Transfer_Encoding="chunked"))
    for _ in range(5):
        wire.send(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
    assert_problem(last_answer(wire, tight_server), 413, "body-too-large")


def test_a_chunked_body_that_ends(tight_server: RunningServer, wire: Connection) -> None:
    wire.send(head(Transfer_Encoding="chunked", Connection="close"))
    for byte in json.dumps(GOOD).encode():
        wire.send(b"1\r\n" + bytes([byte]) + b"\r\n")
    wire.send(b"0\r\n\r\n")
    assert last_answer(wire, tight_server).status_code == 200


@pytest.fixture(scope="module", params=BOTH_WAYS)
def hasty_server(request: pytest.FixtureRequest, affine_store: ModelStore) -> Iterator[RunningServer]:
    """Waits half a second for a body."""
    with running_server(
        affine_store.path, model="image", body_timeout_s=BODY_TIMEOUT_S, fast_path=request.param
    ) as server:
        yield server


@pytest.mark.parametrize("sent", [b"", b'{"z": '])
def test_a_body_that_does_not_arrive_in_time(hasty_server: RunningServer, sent: bytes) -> None:
    with hasty_server.connect() as wire:
        started = time.monotonic()
        wire.send(head(Content_Length="30") + sent)
        response = last_answer(wire, hasty_server)
        assert time.monotonic() - started > 0.9 * BODY_TIMEOUT_S
    body = assert_problem(response, 408, "body-timeout")
    assert f"{len(sent)} bytes" in body["detail"]
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("way", BOTH_WAYS)
def test_a_body_that_has_come_is_not_late_while_its_model_loads(affine_store: ModelStore, way: str) -> None:
    """Loading takes far longer than a millisecond. The first request begins it, and waits for it."""
    with running_server(
        affine_store.path, ready=None, load="lazy", body_timeout_s=0.001, fast_path=way, engine="openvino"
    ) as server:
        for path in ("/decode?model=image", "/decode?model=rgb"):
            with server.connect() as wire:
                wire.send(request(path, json.dumps(GOOD).encode()))
                assert wire.read_answer().status == 200


def test_a_client_that_hangs_up_in_its_body_is_logged_and_forgotten(tight_server: RunningServer) -> None:
    with tight_server.connect() as wire:
        wire.send(head(Content_Length="30", X_Request_ID="hung-up"))
    assert tight_server.http.post("/decode?model=image", json=GOOD).status_code == 200
    line = wait_for_log(tight_server, "request", id="hung-up")
    assert line["status"] == 499
    assert [line.get("id") for line in tight_server.log_lines()].count("hung-up") == 1


# -- items, pixels, answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "status"), [(8, 200), (9, 422)])
def test_items_of_a_request(tight: httpx.Client, n: int, status: int) -> None:
    images = npy(np.zeros((n, 4, 4), np.uint8))
    files = [("f", (f"{i}.png", picture(np.zeros((4, 4))), "image/png")) for i in range(n)]
    for response in (
        tight.post("/decode?model=image", json={"z": [[0, 0]] * n}),
        tight.post("/encode?model=image", content=images, headers=NPY),
        tight.post("/encode?model=image", files=files),
        tight.post("/sample?model=image", json={"n": n}),
        tight.get(f"/sample?model=image&n={n}"),
        tight.post("/interpolate?model=image", json={"z": [[0, 0], [1, 1]], "steps": n}),
    ):
        assert response.status_code == status
        if status != 200:
            assert_problem(response, 422, "too-many-items")


@pytest.mark.parametrize(("side", "status"), [(64, 200), (65, 413)])
def test_pixels_of_a_picture(tight: httpx.Client, side: int, status: int) -> None:
    body = picture(np.zeros((64, side)))
    response = tight.post("/encode?model=image", content=body, headers=PNG)
    assert response.status_code == status
    if status != 200:
        body_of_problem = assert_problem(response, 413, "image-too-large")
        assert body_of_problem["errors"] == [
            {"loc": ["files", 0], "expected": "at most 4096 pixels", "got": "4160 pixels"}
        ]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("/manifold?model=image&n=7", 200),
        ("/manifold?model=image&n=8", 422),
        ("/sample?model=rgb&n=8", 200),
        ("/sample?model=image&n=1&scale=15", 200),
        ("/sample?model=image&n=1&scale=16", 422),
    ],
)
def test_bytes_of_an_answer(tight: httpx.Client, query: str, status: int) -> None:
    """4,000: 7² pictures of 64 bytes as float32, or 16 · 15² pixels."""
    response = tight.get(query)
    assert response.status_code == status
    if status != 200:
        assert "4000 bytes" in assert_problem(response, 422, "answer-too-large")["errors"][0]["expected"]


def test_both_halves_of_a_reconstruction_count(tight: httpx.Client) -> None:
    inputs = np.zeros((8, 6, 4, 3), np.uint8)
    response = tight.post("/reconstruct?model=rgb", content=npy(inputs), headers=NPY)
    assert_problem(response, 422, "answer-too-large")


# -- load --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=BOTH_WAYS)
def slow_server(request: pytest.FixtureRequest, affine_store: ModelStore) -> Iterator[RunningServer]:
    """One item an engine call, and room for eight that wait: a request of 1,024 items keeps it busy for a while."""
    with running_server(
        affine_store.path, engine="openvino", model="image", max_batch_items=1, queue_items=8, fast_path=request.param
    ) as server:
        yield server


def burst(server: RunningServer, count: int, timeout_s: float = ANSWER_S) -> list[httpx.Response]:
    """The answers to so many requests, all of which the service finds at once."""
    body = npy(np.zeros((1024, 2), np.float32))
    headers = {"Accept": "application/x-npy"}
    asked = request("/decode", body, timeout_s=timeout_s, content_type="application/x-npy", headers=headers)
    with ExitStack() as stack:
        wires = [stack.enter_context(server.connect()) for _ in range(count)]
        with server.paused():
            for wire in wires:
                wire.send(asked)
        return [wire.read_answer().as_httpx(server.url) for wire in wires]


def test_a_full_queue_answers_503_at_once_and_the_rest_are_answered(slow_server: RunningServer) -> None:
    responses = burst(slow_server, 40)
    refused = [response for response in responses if response.status_code == 503]
    assert {response.status_code for response in responses} == {200, 503}
    for response in refused[:3]:
        assert_problem(response, 503, "overloaded")
        assert response.headers["retry-after"] == "1"
    answered = [response for response in responses if response.status_code == 200]
    assert len({response.content for response in answered}) == 1
    assert burst(slow_server, 1)[0].status_code == 200


def test_an_answer_that_is_not_ready_by_its_deadline_is_504(slow_server: RunningServer) -> None:
    (response,) = burst(slow_server, 1, timeout_s=0.001)
    assert_problem(response, 504, "deadline-exceeded")
    assert burst(slow_server, 1)[0].status_code == 200


def test_a_deadline_may_not_be_longer_than_allowed(tight: httpx.Client) -> None:
    """A minute here; more is taken as that, and not refused."""
    response = tight.get("/sample?model=image&n=4", headers={"X-Request-Timeout": "1000000000"})
    assert read_png(response).shape == (8, 8)
