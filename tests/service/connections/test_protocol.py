"""HTTP requests in any pieces on a connection: each is answered once, and in order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import numpy as np
import pytest

from model_store import ModelStore
from tests.service.wire import npy
from tests.support.raw_http import Connection, request
from tests.support.server import RunningServer, running_server


def numbered(
    number: int,
    *,
    path: str = "/decode?model=image",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> bytes:
    """A posted code (number, 0), whose id says which it is."""
    content = json.dumps({"z": [[number / 100, 0]]}).encode() if body is None else body
    return request(path, content, request_id=str(number), headers=headers)


@pytest.fixture
def connection(server: RunningServer) -> Iterator[Connection]:
    with server.connect() as opened:
        yield opened


def test_one_connection_answers_many(connection: Connection) -> None:
    for number in range(20):
        connection.send(numbered(number))
        answer = connection.read_answer()
        got = (answer.status, answer.headers["x-request-id"], answer.json()["model"])
        assert got == (200, str(number), "image@1")
        assert "connection" not in answer.headers


@pytest.mark.parametrize("cut", [10, 60, 150, -1, -5])
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "apart"])
def test_a_request_in_two_pieces_is_the_same_request(
    server: RunningServer, connection: Connection, cut: int, apart: bool
) -> None:
    whole = numbered(7)
    connection.send(whole)
    expected = connection.read_answer().json()
    connection.send(whole[:cut])
    if apart:
        server.let_it_read()
    connection.send(whole[cut:])
    assert connection.read_answer().json() == expected


def test_requests_that_do_not_wait_for_answers_are_answered_in_order(connection: Connection) -> None:
    connection.send(b"".join(numbered(number) for number in range(12)))
    got = [connection.read_answer() for _ in range(12)]
    assert [(answer.status, answer.headers["x-request-id"]) for answer in got] == [(200, str(n)) for n in range(12)]


def test_a_wrong_request_between_others_is_refused_alone(connection: Connection) -> None:
    connection.send(numbered(1) + numbered(2, body=b'{"z": [[0]]}') + numbered(3) + numbered(4, path="/nowhere"))
    assert [connection.read_answer().status for _ in range(4)] == [200, 422, 200, 404]


def test_close_is_heeded(connection: Connection) -> None:
    connection.send(numbered(1, headers={"Connection": "close"}))
    answer = connection.read_answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert connection.is_closed()


def test_a_chunked_body_that_comes_at_once(connection: Connection) -> None:
    body = b'{"z": [[0, 0]]}'
    head = request("/decode?model=image", headers={"Transfer-Encoding": "chunked"})
    connection.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert connection.read_answer().status == 200


def test_a_body_of_several_reads(connection: Connection) -> None:
    images = npy(np.zeros((1000, 4, 4), np.float64))  # 128 kB
    connection.send(request("/encode?model=image", images, content_type="application/x-npy"))
    answer = connection.read_answer()
    assert (answer.status, len(answer.json()["z"])) == (200, 1000)


def test_who_hangs_up_between_requests_leaves_nothing(server: RunningServer) -> None:
    for _ in range(50):
        with server.connect() as brief:
            brief.send(numbered(1))
    with server.connect() as after:
        after.send(numbered(2))
        assert after.read_answer().status == 200


def test_who_hangs_up_with_several_requests_under_way_leaves_nothing(server: RunningServer) -> None:
    before = server.log_text().count("exception")
    for _ in range(50):
        with server.connect() as brief:
            brief.send(numbered(1) + numbered(2) + numbered(3))
    with server.connect() as after:
        after.send(numbered(4))
        assert after.read_answer().status == 200
    assert server.log_text().count("exception") == before


def test_an_idle_connection_is_closed_after_a_while(affine_store: ModelStore) -> None:
    with (
        running_server(affine_store.path, model="image", keep_alive_s=2) as server,
        server.connect() as connection,
    ):
        started = time.monotonic()
        connection.send(numbered(1))
        assert connection.read_answer().status == 200
        assert connection.is_closed()  # looked at once a second
        assert time.monotonic() - started > 1.9
