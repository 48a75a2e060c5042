"""Guards of a connection (limits and timeouts), on the fast path and on routes."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from model_store import ModelStore
from tests.service.conftest import BOTH_WAYS
from tests.support.raw_http import ANSWER_S, Connection
from tests.support.server import RunningServer, running_server

BODY = json.dumps({"z": [[1.0, -1.0]]}).encode()
TARGET = b"POST /decode?model=image HTTP/1.1\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
MAX_HEAD_BYTES = 64 << 10


@pytest.fixture
def connection(server: RunningServer) -> Iterator[Connection]:
    with server.connect() as opened:
        yield opened


# -- Upgrade -----------------------------------------------------------------------------------------------

OFFERS = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    b"connection: upgrade\r\nupgrade: TLS/1.0",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: foo/2, websocket",
]


def framed(body: bytes, *, chunked: bool) -> bytes:
    if chunked:
        half = len(body) // 2
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]))
        return b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cut", [None, 20, 150, -200, -1])
def test_an_offer_to_upgrade_is_ignored(connection: Connection, offer: bytes, chunked: bool, cut: int | None) -> None:
    request = (
        TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + offer + b"\r\n" + framed(BODY, chunked=chunked)
    )
    for _ in range(3):  # heads that have come before are read another way
        if cut is None:
            connection.send(request)
        else:
            connection.send(request[:cut])
            time.sleep(0.01)  # two segments most of the time; the answer is the same otherwise
            connection.send(request[cut:])
        status, body = (answer := connection.read_answer()).status, answer.body
        assert status == 200, body
        assert json.loads(body)["model"] == "image@1"


def test_a_body_behind_an_offer_is_never_a_request(connection: Connection) -> None:
    hidden = b"GET /models HTTP/1.1\r\nHost: x\r\n\r\n"
    head = TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + OFFERS[0] + b"\r\n"
    connection.send(head + b"Content-Length: %d\r\n\r\n" % len(hidden))
    time.sleep(0.01)
    connection.send(hidden + GET + b"\r\n")
    answer = connection.read_answer()
    status, headers = answer.status, answer.headers
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert connection.read_answer().json() == {"status": "alive"}


def test_offers_in_a_pipeline_are_ignored_one_by_one(connection: Connection) -> None:
    connection.send((GET + OFFERS[0] + b"\r\n\r\n") * 20 + GET + b"\r\n")
    for _ in range(21):
        assert connection.read_answer().json() == {"status": "alive"}


def test_connect_is_refused(connection: Connection) -> None:
    connection.send(b"CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\n\r\nwhatever")
    assert connection.read_answer().status == 400
    assert connection.read_to_end() == b""


# -- heads -------------------------------------------------------------------------------------------------

CHUNKED = TARGET + b"Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
MANY = b"".join(b"x-%07d: b\r\n" % number for number in range(4096))
ENDLESS = {
    "a header": (GET + b"X-A: ", b"a" * 65536),
    "a header's name": (GET, b"a" * 65536),
    "many headers": (GET, MANY),
    "a target": (b"GET /livez?", b"a" * 65536),
    "a method": (b"", b"A" * 65536),
    "trailers": (CHUNKED + b"0\r\n", MANY),
    "a trailer": (CHUNKED + b"0\r\nX-T: ", b"a" * 65536),
    "a chunk extension": (CHUNKED + b"1;", b"a" * 65536),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_never_ends_is_cut_off(connection: Connection, kind: str) -> None:
    begin, block = ENDLESS[kind]
    connection.send(begin)
    with pytest.raises(OSError):  # noqa: PT011 - whichever error a closed connection gives
        connection.send(block * (16 * (1 << 20) // len(block)))
    with contextlib.suppress(OSError):  # it may have been reset before the answer was read
        assert connection.read_answer().status in (400, 431)


WHOLE = {
    "a header": GET + b"X-A: " + b"a" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n",
    "a larger header": GET + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "101 headers": GET + b"".join(b"X-%d: a\r\n" % number for number in range(100)) + b"\r\n",
    "a target": b"GET /livez?" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a verb's header": TARGET + b"Host: x\r\nX-A: " + b"a" * MAX_HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_head_that_is_too_large_is_a_431(connection: Connection, kind: str) -> None:
    connection.send(WHOLE[kind])
    answer = connection.read_answer()
    status, headers, body = answer.status, answer.headers, answer.body
    assert (status, headers["content-type"], headers["connection"]) == (431, "application/problem+json", "close")
    problem = json.loads(body)
    assert (problem["type"], problem["status"]) == ("/problems/head-too-large", 431)
    assert problem["instance"] == headers["x-request-id"]
    assert connection.read_to_end() == b""


def test_a_head_within_the_limits_is_an_ordinary_one(connection: Connection) -> None:
    connection.send(GET + b"X-A: " + b"a" * 60_000 + b"\r\n\r\n")
    assert connection.read_answer().status == 200
    connection.send(GET + b"".join(b"X-%d: a\r\n" % number for number in range(99)) + b"\r\n")
    assert connection.read_answer().status == 200


def test_a_large_body_in_the_same_piece_is_no_part_of_the_head(connection: Connection) -> None:
    head = TARGET + b"Host: x\r\nContent-Type: application/json\r\n"
    connection.send(head + framed(BODY.ljust(300_000), chunked=False))
    assert connection.read_answer().status == 200


def test_a_refused_head_waits_for_the_answers_before_it(connection: Connection) -> None:
    request = TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + framed(BODY, chunked=False)
    connection.send(request + GET + b"\r\n" + WHOLE["101 headers"] + GET + b"\r\n")
    assert [connection.read_answer().status for _ in range(3)] == [200, 200, 431]
    assert connection.read_to_end() == b""


def test_what_was_refused_is_counted_and_logged(server: RunningServer, connection: Connection) -> None:
    connection.send(WHOLE["101 headers"])
    request_id = connection.read_answer().headers["x-request-id"]
    assert 'status="431",verb="unmatched"' in server.http.get("/metrics").text
    deadline = time.monotonic() + ANSWER_S
    while not any(line.get("id") == request_id and line["status"] == 431 for line in server.log_lines()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_trailers_join_no_headers(connection: Connection) -> None:
    trailer = b"0\r\nX-Request-Timeout: never\r\nAccept: image/png\r\n\r\n"
    chunks = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    connection.send(CHUNKED + chunks + trailer)
    answer = connection.read_answer()
    status, headers = answer.status, answer.headers
    assert (status, headers["content-type"]) == (200, "application/json")


# -- answers that nobody takes -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", BOTH_WAYS)
def test_who_takes_nothing_of_an_answer_is_hung_up_on(affine_store: ModelStore, way: str) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server(affine_store.path, write_timeout_s=1, fast_path=way))
        process = psutil.Process(server.process.pid)
        body = json.dumps({"z": [[0.5, 0.25]] * 1024}).encode()
        request = TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + framed(body, chunked=False)
        before = len(process.net_connections("tcp"))
        deaf = [stack.enter_context(server.connect(receive_bytes=4096)) for _ in range(4)]
        for one in deaf:
            one.send(request * 60)
        deadline = time.monotonic() + ANSWER_S
        while len(process.net_connections("tcp")) > before:
            assert time.monotonic() < deadline, "they are still there"
            time.sleep(0.05)
        assert server.http.get("/livez").status_code == 200


@pytest.mark.parametrize("way", BOTH_WAYS)
def test_who_reads_slowly_gets_all_of_an_answer(affine_store: ModelStore, way: str) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server(affine_store.path, write_timeout_s=4, fast_path=way))
        slow = stack.enter_context(server.connect(receive_bytes=4096))
        body = json.dumps({"z": [[0.5, 0.25]] * 1024}).encode()
        slow.send((TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + framed(body, chunked=False)) * 40)
        began, answers = time.monotonic(), 0
        while answers < 40:
            if time.monotonic() - began < 6:
                time.sleep(0.1)
            answer = slow.read_answer()
            assert (answer.status, len(answer.json()["outputs"])) == (200, 1024)
            answers += 1
