"""Clients that behave badly, many of them: what the service loses by each is nothing."""

from __future__ import annotations

import json
import socket
import struct
import time

import httpx
import numpy as np
import psutil

from tests.support.server import RunningServer

GOOD = 100
BAD = 1000
PATIENCE_S = 30.0


def connection(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def request(body: bytes, path: str = "/encode?model=image", announced: int | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body) if announced is None else announced}\r\n\r\n".encode() + body


def items(server: RunningServer, n: int) -> bytes:
    """A body of n of the model's items."""
    shape = server.http.get("/models/image").json()["manifest"]["input"]["shape"]
    return json.dumps({"inputs": np.full((n, *shape), 0.5).tolist()}).encode()


def reset(wire: socket.socket) -> None:
    """Hang up without a goodbye."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


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
        wire = connection(server)
        if i % 4 == 0:  # in the middle of the body
            wire.sendall(request(body[: len(body) // 2], announced=len(body)))
        elif i % 4 == 1:  # while it waits for its answer
            wire.sendall(request(body))
        elif i % 4 == 2:  # in the middle of the head
            wire.sendall(request(body)[:40])
        else:  # with a second request behind the first
            wire.sendall(request(body) + request(body)[:90])
        (reset if i % 3 else socket.socket.close)(wire)
    all_good(server, body)
    settled(server, files)
    assert not [line for line in server.log_lines() if line["level"] == "error"]


def test_clients_that_never_read_their_answers_keep_nobody_waiting(openvino_server: RunningServer) -> None:
    server, body = openvino_server, items(openvino_server, 8)
    files = psutil.Process(server.process.pid).num_fds()
    deaf = []
    for _ in range(20):
        wire = connection(server)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.sendall(request(b'{"n": 1024}', "/sample?model=image") * 4)
        deaf.append(wire)
    all_good(server, body)
    for wire in deaf:
        reset(wire)
    settled(server, files)
    all_good(server, body)


def test_clients_that_send_a_byte_at_a_time_keep_nobody_waiting(openvino_server: RunningServer) -> None:
    server, body = openvino_server, items(openvino_server, 1)
    slow = [connection(server) for _ in range(50)]
    for wire in slow:
        wire.sendall(request(b"", announced=len(body)))
    for place in range(20):
        for wire in slow:
            wire.sendall(body[place : place + 1])
        if place % 10 == 0:
            all_good(server, body)
    for wire in slow:
        wire.sendall(body[20:])
        assert wire.recv(100).startswith(b"HTTP/1.1 200 ")
        wire.close()
