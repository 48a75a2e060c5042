"""Bytes in flight: bounded over all requests, counted down to nothing, and refused with a 503."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from model_store import ModelStore
from service.limits import InFlightBytes, MemoryFull
from tests.service.conftest import BOTH_WAYS
from tests.support.raw_http import ANSWER_S
from tests.support.server import RunningServer, running_server

LIMIT = 24 << 20


@dataclass
class Holder:
    held_bytes: int = 0


def test_a_request_alone_may_hold_any_number_of_bytes_and_two_may_not() -> None:
    everything, one, two = InFlightBytes(100), Holder(), Holder()
    everything.reserve(one, 80)
    everything.reserve(one, 80)
    with pytest.raises(MemoryFull, match="160 bytes; 1 more"):
        everything.reserve(two, 1)
    assert (one.held_bytes, two.held_bytes, everything.held) == (160, 0, 160)
    everything.change(-one.held_bytes)
    everything.reserve(two, 100)
    assert not everything.has_room(1)


def test_what_a_block_holds_is_given_back_after_an_error() -> None:
    everything, one = InFlightBytes(100), Holder()

    def hold_and_fail() -> None:
        with everything.during(one, 90):
            assert everything.held == 90
            raise ValueError("within")

    with pytest.raises(ValueError, match="within"):
        hold_and_fail()
    assert (everything.held, one.held_bytes) == (0, 0)


@pytest.fixture(scope="module", params=BOTH_WAYS)
def bounded(request: pytest.FixtureRequest, affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(
        affine_store.path,
        engine="openvino",
        fast_path=request.param,
        max_in_flight_bytes=LIMIT,
        body_timeout_s=5,
        write_timeout_s=60,
    ) as server:
        yield server


def held_bytes(server: RunningServer) -> int:
    lines = server.http.get("/metrics").text.splitlines()
    return int(float(next(line.split()[-1] for line in lines if line.startswith("latent_in_flight_bytes "))))


def wait_until(server: RunningServer, low: int, high: int) -> int:
    deadline = time.monotonic() + ANSWER_S
    while not low <= (held := held_bytes(server)) <= high:
        assert time.monotonic() < deadline, f"{held} bytes are held, not {low} to {high}"
        time.sleep(0.05)
    return held


def test_bodies_that_are_still_coming_count_and_the_next_is_refused(bounded: RunningServer) -> None:
    body, size = b" " * (5 << 20), 6 << 20
    head = (
        b"POST /encode?model=image HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(bounded.connect()).send(head % size + body)
        wait_until(bounded, 20 << 20, LIMIT)
        late = stack.enter_context(bounded.connect())
        late.send(head % size + body + b" " * (1 << 20))
        answer = late.read_answer()
        assert (answer.status, answer.json()["type"]) == (503, "/problems/overloaded")
        assert answer.headers["retry-after"] == "1"
        small = bounded.http.post("/decode?model=image", json={"z": [[0.5, 0.5]]})
        assert small.status_code == 200  # it holds next to nothing
    wait_until(bounded, 0, 0)


def test_answers_that_nobody_takes_count_until_their_client_is_gone(bounded: RunningServer) -> None:
    ask = b"GET /sample?model=image&n=1024&seed=1 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(bounded.connect(receive_bytes=4096)).send(ask)
        wait_until(bounded, 1 << 16, LIMIT + (8 << 20))
    wait_until(bounded, 0, 0)


def test_refused_and_answered_requests_hold_nothing(bounded: RunningServer) -> None:
    picture = io.BytesIO()
    Image.fromarray(np.zeros((600, 600), np.uint8)).save(picture, "PNG")
    many = json.dumps({"inputs": np.zeros((64, 28, 28, 1)).tolist()}).encode()
    for content, kind, status in [
        (picture.getvalue(), "image/png", 200),
        (picture.getvalue()[: len(picture.getvalue()) // 2], "image/png", 400),
        (b'{"inputs": [[1, 2]]' + b" " * (2 << 20) + b"}", "application/json", 422),
        (b'{"inputs": ' + b" " * (2 << 20), "application/json", 400),
        (many, "application/json", None),
        (b"[" + b"1," * (3 << 20) + b"1]", "application/json", 422),
    ]:
        got = bounded.http.post("/reconstruct?model=image", content=content, headers={"Content-Type": kind})
        assert got.status_code == status or (status is None and got.status_code in (200, 422)), got.text
    wait_until(bounded, 0, 0)


@pytest.mark.parametrize("way", BOTH_WAYS)
def test_a_request_that_is_alone_is_answered_however_much_it_holds(affine_store: ModelStore, way: str) -> None:
    """Its own body does not count as another request's."""
    body = json.dumps({"z": [[0.5, 0.25]] * 1024}).encode() + b" " * (32 << 10)
    with running_server(affine_store.path, engine="openvino", fast_path=way, max_in_flight_bytes=1 << 15) as server:
        for _ in range(2):
            headers = {"Content-Type": "application/json", "Accept": "application/x-npz"}
            assert server.http.post("/decode?model=image", content=body, headers=headers).status_code == 200
        wait_until(server, 0, 0)
