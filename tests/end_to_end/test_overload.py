"""More requests at once than can be answered in time: the rest are refused at once, whole and accounted for."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from contextlib import ExitStack, closing

from model_store import ModelStore
from tests.support.server import RunningServer, running_server

CONNECTIONS = 800
ANSWER_S = 30.0
LATE_S = 0.5
"""So little time that many at once leave none to the last, and so much that a machine's hiccup does not use it up."""
BODY = json.dumps({"z": [[0.5, 0.25]] * 64}).encode()


def request(number: int, path: str, timeout_s: float) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-ID: n{number}"
    return f"{head}\r\nX-Request-Timeout: {timeout_s}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY


def all_at_once(
    server: RunningServer, stack: ExitStack, connections: int, path: str, timeout_s: float
) -> list[socket.socket]:
    """One request on each of so many connections, before the service sees any; the first has been asked before."""
    opened = [
        stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), ANSWER_S)))
        for _ in range(connections)
    ]
    opened[0].sendall(request(0, path, ANSWER_S))
    assert read(opened[0])[0] == 200
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        for number, connection in enumerate(opened):
            connection.sendall(request(number, path, timeout_s))
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    return opened


def read(connection: socket.socket) -> tuple[int, dict[str, str], dict[str, object]]:
    """The next answer."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        lines = iter(lambda: stream.readline().decode().strip(), "")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return status, headers, json.loads(stream.read(int(headers["content-length"])))


def test_who_would_be_too_late_is_told_so_and_keeps_the_connection(affine_store: ModelStore) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server(affine_store.path, load="eager"))
        connections = all_at_once(server, stack, CONNECTIONS, "/decode?model=image", LATE_S)
        answers = [read(connection) for connection in connections]
        refused = [number for number, (status, _, _) in enumerate(answers) if status == 503]
        assert 100 < len(refused) < CONNECTIONS
        for number, (status, headers, answer) in enumerate(answers):
            assert headers["x-request-id"] == f"n{number}"
            if status == 503:
                assert headers["retry-after"] == "1"
                assert headers["content-type"] == "application/problem+json"
                assert "connection" not in headers
                assert answer["type"] == "/problems/overloaded"
                assert answer["instance"] == f"n{number}"
            else:
                assert status == 200
                assert answer["model"] == "image@1"
        metrics = server.http.get("/metrics").text
        counted = re.findall(r'latent_requests_total\{[^}]*status="503"[^}]*verb="/decode"[^}]*\} ([\d.]+)', metrics)
        assert sum(map(float, counted)) == len(refused)
        for number in refused[:: len(refused) // 10]:
            connections[number].sendall(request(number, "/decode?model=image", ANSWER_S))
            assert read(connections[number])[0] == 200


def test_who_finds_a_full_queue_is_told_whose(affine_store: ModelStore) -> None:
    with ExitStack() as stack:
        started = running_server(affine_store.path, load="eager", default_model="image", queue_items=1)
        server = stack.enter_context(started)
        connections = all_at_once(server, stack, 100, "/decode", ANSWER_S)
        answers = [read(connection) for connection in connections]
        refused = [(number, *answer[1:]) for number, answer in enumerate(answers) if answer[0] == 503]
        assert {status for status, _, _ in answers} == {200, 503}
        for number, headers, answer in refused:
            assert headers["x-request-id"] == answer["instance"] == f"n{number}"
            assert headers["x-latent-model"] == "image@1"
            assert headers["retry-after"] == "1"
            assert str(answer["detail"]).startswith("as many items are waiting for the model as may")
        metrics = server.http.get("/metrics").text
        counted = re.findall(r'latent_requests_total\{[^}]*model="image"[^}]*status="503"[^}]*\} ([\d.]+)', metrics)
        assert sum(map(float, counted)) == len(refused)
        connections[refused[0][0]].sendall(request(7, "/decode", ANSWER_S))
        assert read(connections[refused[0][0]])[0] == 200
