"""Both ways of a request, the fast path and FastAPI's routes, give the same answers to every byte."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from model_store import ModelStore
from service.admission.turns import Turns
from tests.service.corpus import CORPUS, DRAWN, FAULT, MAX_BODY_BYTES, PREFIX, PREFIXED, Case, get
from tests.service.test_modules_passed import listening
from tests.support.raw_http import Answer, Connection, request
from tests.support.server import RunningServer, running_server

TIMES = 3
"""A head that has come twice in a row is known: the third time the fast path does not parse it."""
MADE_ID = re.compile("[0-9a-f]{32}")
LATE_S = 0.1
"""Twice as long as the fast path waits for a body. Where it waits longer, the answers are the same all the same."""
VARYING = ("date", "server-timing")

PREPARED = """
import sys

from service.fast_path.dispatch import Dispatch
from service.routes import inference
from service.verbs import answering


def noting(way, answer):
    def noted(*args):
        sys.stderr.write('{"event": "taken", "way": "%s"}\\n' % way)
        return answer(*args)

    return noted


def failing(parse):
    def parsed(body):
        if body == b'{"fault": true}':
            raise RuntimeError("a fault of the service")
        return parse(body)

    return parsed


Dispatch.answer = noting("fast path", Dispatch.answer)
inference.answer = noting("routes", inference.answer)
answering.parse_only_array = failing(answering.parse_only_array)
"""
"""Run when a service's interpreter starts. Its log then has a line for each request of a verb, with the way that it
took; and it fails on one body."""

Ways = tuple[RunningServer, RunningServer]


@contextmanager
def both_ways(
    store: ModelStore,
    directory: Path,
    **settings: Any,  # noqa: ANN401 - of any setting
) -> Iterator[Ways]:
    """A service with the fast path, and one without."""
    (directory / "sitecustomize.py").write_text(PREPARED, encoding="utf-8")
    settings |= {"engine": "openvino", "max_body_bytes": MAX_BODY_BYTES}
    with (
        running_server(store.path, python_path=[directory], **settings) as fast,
        running_server(store.path, python_path=[directory], fast_path="off", **settings) as routes,
    ):
        yield fast, routes


@pytest.fixture(scope="module")
def ways(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    with both_ways(affine_store, tmp_path_factory.mktemp("prepared")) as servers:
        yield servers


@pytest.fixture(scope="module")
def prefixed_ways(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """Below a proxy's prefix."""
    directory = tmp_path_factory.mktemp("prefixed")
    with both_ways(affine_store, directory, root_path=PREFIX, model="image") as servers:
        yield servers


def replay(server: RunningServer, case: Case) -> list[Answer]:
    """The answers to a case that is sent several times, on one connection for as long as that stays open."""
    answers: list[Answer] = []
    connection = server.connect()
    try:
        for _ in range(TIMES):
            _send(server, connection, case)
            answers += [connection.read_answer(to_head=case.to_head) for _ in range(case.answers)]
            closes = answers[-1].headers.get("connection") == "close"
            if closes:
                assert connection.is_closed()
            if closes or case.alone:
                connection.close()
                connection = server.connect()
    finally:
        connection.close()
    return answers


def _send(server: RunningServer, connection: Connection, case: Case) -> None:
    first, *others = case.pieces
    connection.send(first)
    for piece in others:
        if case.late:
            time.sleep(LATE_S)
        server.let_it_read()
        connection.send(piece)


def comparable(answer: Answer) -> Answer:
    """An answer without what differs between any two: an id that was made, the date and the times."""
    fields, body = [], answer.body
    for name, value in answer.fields:
        if name == "x-request-id" and MADE_ID.fullmatch(value):
            body = body.replace(value.encode(), b"made")
            fields.append((name, "made"))
        else:
            fields.append((name, "" if name in VARYING else value))
    return Answer(answer.status, fields, body)


def assert_alike(ways: Ways, case: Case) -> list[Answer]:
    """Hold both services to the same answers, and return them."""
    fast, routes = ([comparable(answer) for answer in replay(server, case)] for server in ways)
    assert fast == routes
    return fast


@pytest.mark.parametrize("name", CORPUS)
def test_both_ways_answer_alike(ways: Ways, name: str) -> None:
    assert_alike(ways, CORPUS[name])


@pytest.mark.parametrize("name", PREFIXED)
def test_both_ways_answer_alike_below_a_prefix(prefixed_ways: Ways, name: str) -> None:
    assert_alike(prefixed_ways, PREFIXED[name])


def test_both_ways_hide_a_fault_alike(ways: Ways) -> None:
    assert [answer.status for answer in assert_alike(ways, FAULT)] == [500] * TIMES
    for server in ways:
        assert [line["event"] for line in server.log_lines() if line.get("level") == "error"] == ["failed"] * TIMES


def test_both_ways_shed_load_alike(ways: Ways) -> None:
    """Most of a hundred requests that come at once, and have no time to wait."""
    data = request("/decode?model=image", b'{"z": [[0, 0]]}', timeout_s=0.001)
    refused = []
    for server in ways:
        with ExitStack() as stack:
            connections = [stack.enter_context(server.connect()) for _ in range(100)]
            server.let_it_read()
            with server.paused():
                for connection in connections:
                    connection.send(data)
            answers = [comparable(connection.read_answer()) for connection in connections]
        refused.append([answer for answer in answers if answer.status == 503])
    assert refused[0][0] == refused[1][0]
    assert all(answer == refused[0][0] for answers in refused for answer in answers)


@pytest.mark.parametrize("name", DRAWN)
def test_both_ways_draw_alike(ways: Ways, name: str) -> None:
    """All but the numbers is the same."""
    fast, routes = (replay(server, DRAWN[name])[0] for server in ways)
    assert fast.status == routes.status == 200
    assert [field for field, _ in fast.fields] == [field for field, _ in routes.fields]
    assert list(fast.json()) == list(routes.json())
    assert fast.json()["seed"] != routes.json()["seed"]


@pytest.mark.parametrize(
    "path", ["/sample?model=image&seed=1", "/manifold?model=image@1&n=2", "/models/image/map", "/openapi.json", "/"]
)
def test_both_ways_know_what_the_other_has_sent(ways: Ways, path: str) -> None:
    for server, other in (ways, ways[::-1]):
        etag = replay(server, get("once", path))[0].headers["etag"]
        again = replay(other, get("again", path, {"If-None-Match": etag}))
        assert {(answer.status, answer.headers["etag"]) for answer in again} == {(304, etag)}


@pytest.mark.parametrize("verb", ["encode", "decode", "reconstruct", "interpolate", "sample"])
def test_the_fast_path_is_taken_where_it_is_on_and_nowhere_else(ways: Ways, verb: str) -> None:
    for server, way in zip(ways, ("fast path", "routes"), strict=True):
        before = _taken(server)
        replay(server, CORPUS[f"POST {verb} of image"])
        assert _taken(server) - before == Counter({way: TIMES})


def _taken(server: RunningServer) -> Counter[str]:
    return Counter(line["way"] for line in server.log_lines() if line["event"] == "taken")


@pytest.mark.parametrize("stopping", [False, True])
async def test_who_waits_too_long_for_a_turn_hears_whether_the_connection_closes(
    affine_store: ModelStore, monkeypatch: pytest.MonkeyPatch, stopping: bool
) -> None:
    """The routes know no turns; while the service stops, uvicorn ends their answers with the same header."""
    waiting: asyncio.Queue[Any] = asyncio.Queue()
    monkeypatch.setattr(Turns, "enter", lambda _, entry: waiting.put_nowait(entry))
    async with listening(affine_store) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request("/decode?model=image", b'{"z": [[0, 0]]}', request_id="a"))
            entry = await waiting.get()
            if stopping:
                entry._protocol.shutdown()
            entry.expire()
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            assert head.startswith(b"HTTP/1.1 503 ")
            assert head.endswith(b"x-request-id: a\r\n%b\r\n" % (b"connection: close\r\n" if stopping else b""))
            assert json.loads(body)["instance"] == "a"
            if stopping:
                assert await reader.read() == b""
        finally:
            writer.close()
            await writer.wait_closed()
