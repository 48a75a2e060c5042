"""More requests at once than can be answered in time: the rest are refused at once, whole and accounted for."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from contextlib import ExitStack, closing

from model_store import ModelStore
from tests.support.server import running_server

CONNECTIONS = 800
ANSWER_S = 30.0
BODY = json.dumps({"z": [[0.5, 0.25]]}).encode()


def request(number: int) -> bytes:
    head = f"POST /decode?model=image HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-ID: n{number}"
    return f"{head}\r\nX-Request-Timeout: 0.2\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY


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
        connections = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), ANSWER_S)))
            for _ in range(CONNECTIONS)
        ]
        connections[0].sendall(request(0))
        assert read(connections[0])[0] == 200
        os.kill(server.process.pid, signal.SIGSTOP)  # so that all of them are there at once
        try:
            for number, connection in enumerate(connections):
                connection.sendall(request(number))
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
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
            connections[number].sendall(request(number))
            assert read(connections[number])[0] == 200
