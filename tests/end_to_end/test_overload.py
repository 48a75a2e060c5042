"""Overload: requests that would be late are refused at once, with complete answers, log lines and metrics."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

from model_store import ModelStore
from tests.support.raw_http import Connection, request
from tests.support.server import RunningServer, running_server

CONNECTIONS = 800
ANSWER_S = 30.0
LATE_S = 0.5
"""So little time that many at once leave none to the last, and so much that a machine's hiccup does not use it up."""
BODY = json.dumps({"z": [[0.5, 0.25]] * 64}).encode()


def numbered(number: int, path: str, timeout_s: float) -> bytes:
    return request(path, BODY, request_id=f"n{number}", timeout_s=timeout_s)


def all_at_once(
    server: RunningServer, stack: ExitStack, connections: int, path: str, timeout_s: float
) -> list[Connection]:
    """One request on each of so many connections, before the service sees any; the first has been asked before."""
    opened = [stack.enter_context(server.connect()) for _ in range(connections)]
    opened[0].send(numbered(0, path, ANSWER_S))
    assert opened[0].read_answer().status == 200
    with server.paused():
        for number, connection in enumerate(opened):
            connection.send(numbered(number, path, timeout_s))
    return opened


def test_who_would_be_too_late_is_told_so_and_keeps_the_connection(affine_store: ModelStore) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server(affine_store.path, load="eager"))
        connections = all_at_once(server, stack, CONNECTIONS, "/decode?model=image", LATE_S)
        answers = [connection.read_answer() for connection in connections]
        refused = [number for number, answer in enumerate(answers) if answer.status == 503]
        assert refused, "how many is held to a number in tests/service/admission/test_overload.py"
        for number, answer in enumerate(answers):
            assert answer.headers["x-request-id"] == f"n{number}"
            if answer.status == 503:
                assert answer.headers["retry-after"] == "1"
                assert answer.headers["content-type"] == "application/problem+json"
                assert "connection" not in answer.headers
                assert answer.json()["type"] == "/problems/overloaded"
                assert answer.json()["instance"] == f"n{number}"
            elif answer.status == 200:
                assert answer.json()["model"] == "image@1"
            else:
                assert answer.status == 504, "let in, on a machine that is slower than it was a moment ago"
        metrics = server.http.get("/metrics").text
        counted = re.findall(r'latent_requests_total\{[^}]*status="503"[^}]*verb="/decode"[^}]*\} ([\d.]+)', metrics)
        assert sum(map(float, counted)) == len(refused)
        for number in refused[:: max(1, len(refused) // 10)]:
            connections[number].send(numbered(number, "/decode?model=image", ANSWER_S))
            assert connections[number].read_answer().status == 200


def test_who_finds_a_full_queue_is_told_whose(affine_store: ModelStore) -> None:
    with ExitStack() as stack:
        started = running_server(affine_store.path, load="eager", default_model="image", queue_items=1)
        server = stack.enter_context(started)
        connections = all_at_once(server, stack, 100, "/decode", ANSWER_S)
        answers = [connection.read_answer() for connection in connections]
        refused = [number for number, answer in enumerate(answers) if answer.status == 503]
        assert {answer.status for answer in answers} == {200, 503}
        for number in refused:
            headers, problem = answers[number].headers, answers[number].json()
            assert headers["x-request-id"] == problem["instance"] == f"n{number}"
            assert headers["x-latent-model"] == "image@1"
            assert headers["retry-after"] == "1"
            assert problem["detail"].startswith("as many items are waiting for the model as may")
        metrics = server.http.get("/metrics").text
        counted = re.findall(r'latent_requests_total\{[^}]*model="image"[^}]*status="503"[^}]*\} ([\d.]+)', metrics)
        assert sum(map(float, counted)) == len(refused)
        connections[refused[0]].send(numbered(7, "/decode", ANSWER_S))
        assert connections[refused[0]].read_answer().status == 200
