"""Requests as they may come over a connection, whole or in pieces: each is answered once, and in order."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from model_store import ModelStore
from tests.service.wire import npy
from tests.support.server import RunningServer, running_server

ANSWER_S = 10.0


def request(number: int, *, path: str = "/decode?model=image", extra: str = "", body: bytes | None = None) -> bytes:
    """A posted code (number, 0), whose id says which it is."""
    content = json.dumps({"z": [[number / 100, 0]]}).encode() if body is None else body
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-ID: {number}\r\n{extra}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


@pytest.fixture
def connection(openvino_server: RunningServer) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", openvino_server.port), ANSWER_S)) as opened:
        yield opened


def read(connection: socket.socket) -> tuple[int, dict[str, str], dict[str, object]]:
    """The next answer of a connection that stays open."""
    head = b""  # byte by byte: what follows may be the next answer
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    status_line, *lines = head.decode().split("\r\n")[:-2]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = b""
    while len(body) < int(headers["content-length"]):
        body += connection.recv(int(headers["content-length"]) - len(body))
    return int(status_line.split()[1]), headers, json.loads(body)


def test_one_connection_answers_many(connection: socket.socket) -> None:
    for number in range(20):
        connection.sendall(request(number))
        status, headers, answer = read(connection)
        assert (status, headers["x-request-id"], answer["model"]) == (200, str(number), "image@1")
        assert "connection" not in headers


@pytest.mark.parametrize("cut", [10, 60, 150, -1, -5])
def test_a_request_in_two_pieces_is_the_same_request(connection: socket.socket, cut: int) -> None:
    whole = request(7)
    connection.sendall(whole)
    _, _, expected = read(connection)
    for pause_s in (0.0, 0.01, 0.15):  # at once, soon, and after the wait for what follows at once
        connection.sendall(whole[:cut])
        time.sleep(pause_s)
        connection.sendall(whole[cut:])
        assert read(connection)[2] == expected


def test_requests_that_do_not_wait_for_answers_are_answered_in_order(connection: socket.socket) -> None:
    connection.sendall(b"".join(request(number) for number in range(12)))
    got = [read(connection) for _ in range(12)]
    assert [(status, headers["x-request-id"]) for status, headers, _ in got] == [(200, str(n)) for n in range(12)]


def test_a_wrong_request_between_others_is_refused_alone(connection: socket.socket) -> None:
    connection.sendall(request(1) + request(2, body=b'{"z": [[0]]}') + request(3) + request(4, path="/nowhere"))
    assert [read(connection)[0] for _ in range(4)] == [200, 422, 200, 404]


def test_close_is_heeded(connection: socket.socket) -> None:
    connection.sendall(request(1, extra="Connection: close\r\n"))
    status, headers, _ = read(connection)
    assert (status, headers["connection"], connection.recv(1)) == (200, "close", b"")


def test_a_chunked_body_that_comes_at_once(connection: socket.socket) -> None:
    body = b'{"z": [[0, 0]]}'
    head = b"POST /decode?model=image HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    connection.sendall(head + chunks)
    assert read(connection)[0] == 200


def test_a_body_of_several_reads(connection: socket.socket) -> None:
    images = npy(np.zeros((1000, 4, 4), np.float64))  # 128 kB
    head = b"POST /encode?model=image HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-npy\r\n"
    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(images) + images)
    status, _, answer = read(connection)
    codes = answer["z"]
    assert isinstance(codes, list)
    assert (status, len(codes)) == (200, 1000)


def test_who_hangs_up_between_requests_leaves_nothing(openvino_server: RunningServer) -> None:
    for _ in range(50):
        with closing(socket.create_connection(("127.0.0.1", openvino_server.port), ANSWER_S)) as brief:
            brief.sendall(request(1))
    with closing(socket.create_connection(("127.0.0.1", openvino_server.port), ANSWER_S)) as after:
        after.sendall(request(2))
        assert read(after)[0] == 200


def test_who_hangs_up_with_several_requests_under_way_leaves_nothing(openvino_server: RunningServer) -> None:
    before = openvino_server.log_text().count("exception")
    for _ in range(50):
        with closing(socket.create_connection(("127.0.0.1", openvino_server.port), ANSWER_S)) as brief:
            brief.sendall(request(1) + request(2) + request(3))
    with closing(socket.create_connection(("127.0.0.1", openvino_server.port), ANSWER_S)) as after:
        after.sendall(request(4))
        assert read(after)[0] == 200
    assert openvino_server.log_text().count("exception") == before


def test_an_idle_connection_is_closed_after_a_while(affine_store: ModelStore) -> None:
    with (
        running_server(affine_store.path, model="image", keep_alive_s=2) as server,
        closing(socket.create_connection(("127.0.0.1", server.port), ANSWER_S)) as connection,
    ):
        connection.sendall(request(1))
        assert read(connection)[0] == 200
        started = time.monotonic()
        assert connection.recv(1) == b""  # looked at once a second
        assert 1.9 < time.monotonic() - started < ANSWER_S
