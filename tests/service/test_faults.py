"""Many clients that behave badly: the service loses no memory, connection or request by them."""

from __future__ import annotations

import json
import socket
import time

import httpx
import numpy as np
import psutil

from tests.support.raw_http import Connection, request
from tests.support.server import RunningServer

GOOD = 100
BAD = 1000
PATIENCE_S = 60.0


def encode(body: bytes, announced: int | None = None) -> bytes:
    return request(
        "/encode?model=image", body, headers={"Content-Length": str(len(body) if announced is None else announced)}
    )


def items(server: RunningServer, n: int) -> bytes:
    """A body of n of the model's items."""
    shape = server.http.get("/models/image").json()["manifest"]["input"]["shape"]
    return json.dumps({"inputs": np.full((n, *shape), 0.5).tolist()}).encode()


def all_good(server: RunningServer, body: bytes) -> None:
    """Every one of a hundred requests, some side by side on kept connections, is answered with the same numbers."""
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        answers = [
            client.post("/encode?model=image", content=body, headers={"Content-Type": "application/json"})
            for _ in range(GOOD)
        ]
    assert [answer.status_code for answer in answers] == [200] * GOOD
    assert len({json.dumps(answer.json()["z_mean"]) for answer in answers}) == 1


def settled(server: RunningServer, files: int) -> None:
    """Nothing waits any more, and the connections of those who left are closed."""
    process = psutil.Process(server.process.pid)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        waiting = [
            line for line in server.http.get("/metrics").text.splitlines() if line.startswith("latent_waiting_items{")
        ]
        if all(line.endswith(" 0.0") for line in waiting) and process.num_fds() <= files + 5:
            return
        assert time.monotonic() < deadline, (waiting, process.num_fds(), files)
        time.sleep(0.05)  # nothing tells a client that a server has noticed


def test_a_thousand_clients_that_hang_up_cost_the_others_nothing(openvino_server: RunningServer) -> None:
    server, body = openvino_server, items(openvino_server, 8)
    all_good(server, body)
    files = psutil.Process(server.process.pid).num_fds()
    for i in range(BAD):
        wire = server.connect()
        if i % 4 == 0:  # in the middle of the body
            wire.send(encode(body[: len(body) // 2], announced=len(body)))
        elif i % 4 == 1:  # while it waits for its answer
            wire.send(encode(body))
        elif i % 4 == 2:  # in the middle of the head
            wire.send(encode(body)[:40])
        else:  # with a second request behind the first
            wire.send(encode(body) + encode(body)[:90])
        (Connection.reset if i % 3 else Connection.close)(wire)
    all_good(server, body)
    settled(server, files)
    assert not [line for line in server.log_lines() if line["level"] == "error"]


def test_clients_that_never_read_their_answers_keep_nobody_waiting(openvino_server: RunningServer) -> None:
    server, body = openvino_server, items(openvino_server, 8)
    files = psutil.Process(server.process.pid).num_fds()
    deaf = []
    for _ in range(20):
        wire = server.connect()
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(request("/sample?model=image", b'{"n": 1024}') * 4)
        deaf.append(wire)
    all_good(server, body)
    for wire in deaf:
        wire.reset()
    settled(server, files)
    all_good(server, body)


def test_clients_that_send_a_byte_at_a_time_keep_nobody_waiting(openvino_server: RunningServer) -> None:
    server, body = openvino_server, items(openvino_server, 1)
    slow = [server.connect() for _ in range(50)]
    for wire in slow:
        wire.send(encode(b"", announced=len(body)))
    for place in range(20):
        for wire in slow:
            wire.send(body[place : place + 1])
        if place % 10 == 0:
            all_good(server, body)
    for wire in slow:
        wire.send(body[20:])
        assert wire.read_answer().status == 200
        wire.close()
