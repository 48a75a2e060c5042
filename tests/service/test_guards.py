"""Guards of a connection (limits and timeouts), on the fast path and on routes."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psutil
import pytest

from model_store import ModelStore
from tests.service.conftest import BOTH_WAYS
from tests.support.server import RunningServer, running_server

ANSWER_S = 30.0
BODY = json.dumps({"z": [[1.0, -1.0]]}).encode()
TARGET = b"POST /decode?model=image HTTP/1.1\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
MAX_HEAD_BYTES = 64 << 10


class Connection:
    """A socket to the service, with a stream to read answers from."""

    def __init__(self, server: RunningServer, receive_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(ANSWER_S)
        self.socket.connect(("127.0.0.1", server.port))
        self.stream = self.socket.makefile("rb")

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self.stream.readline().split()[1])
        lines = iter(lambda: self.stream.readline().decode().strip(), "")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return status, headers, self.stream.read(int(headers["content-length"]))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@pytest.fixture
def connection(server: RunningServer) -> Iterator[Connection]:
    with closing(Connection(server)) as opened:
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
            connection.socket.sendall(request)
        else:
            connection.socket.sendall(request[:cut])
            time.sleep(0.01)  # two segments most of the time; the answer is the same otherwise
            connection.socket.sendall(request[cut:])
        status, _, body = connection.answer()
        assert status == 200, body
        assert json.loads(body)["model"] == "image@1"


def test_a_body_behind_an_offer_is_never_a_request(connection: Connection) -> None:
    hidden = b"GET /models HTTP/1.1\r\nHost: x\r\n\r\n"
    head = TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + OFFERS[0] + b"\r\n"
    connection.socket.sendall(head + b"Content-Length: %d\r\n\r\n" % len(hidden))
    time.sleep(0.01)
    connection.socket.sendall(hidden + GET + b"\r\n")
    status, headers, _ = connection.answer()
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert json.loads(connection.answer()[2]) == {"status": "alive"}


def test_offers_in_a_pipeline_are_ignored_one_by_one(connection: Connection) -> None:
    connection.socket.sendall((GET + OFFERS[0] + b"\r\n\r\n") * 20 + GET + b"\r\n")
    for _ in range(21):
        assert json.loads(connection.answer()[2]) == {"status": "alive"}


def test_connect_is_refused(connection: Connection) -> None:
    connection.socket.sendall(b"CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\n\r\nwhatever")
    assert connection.answer()[0] == 400
    assert connection.stream.read() == b""


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
    connection.socket.sendall(begin)
    with pytest.raises(OSError):  # noqa: PT011 - whichever error a closed connection gives
        connection.socket.sendall(block * (16 * (1 << 20) // len(block)))
    with contextlib.suppress(OSError):  # it may have been reset before the answer was read
        assert connection.answer()[0] in (400, 431)


WHOLE = {
    "a header": GET + b"X-A: " + b"a" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n",
    "a larger header": GET + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "101 headers": GET + b"".join(b"X-%d: a\r\n" % number for number in range(100)) + b"\r\n",
    "a target": b"GET /livez?" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a verb's header": TARGET + b"Host: x\r\nX-A: " + b"a" * MAX_HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_head_that_is_too_large_is_a_431(connection: Connection, kind: str) -> None:
    connection.socket.sendall(WHOLE[kind])
    status, headers, body = connection.answer()
    assert (status, headers["content-type"], headers["connection"]) == (431, "application/problem+json", "close")
    problem = json.loads(body)
    assert (problem["type"], problem["status"]) == ("/problems/head-too-large", 431)
    assert problem["instance"] == headers["x-request-id"]
    assert connection.stream.read() == b""


def test_a_head_within_the_limits_is_an_ordinary_one(connection: Connection) -> None:
    connection.socket.sendall(GET + b"X-A: " + b"a" * 60_000 + b"\r\n\r\n")
    assert connection.answer()[0] == 200
    connection.socket.sendall(GET + b"".join(b"X-%d: a\r\n" % number for number in range(99)) + b"\r\n")
    assert connection.answer()[0] == 200


def test_a_large_body_in_the_same_piece_is_no_part_of_the_head(connection: Connection) -> None:
    head = TARGET + b"Host: x\r\nContent-Type: application/json\r\n"
    connection.socket.sendall(head + framed(BODY.ljust(300_000), chunked=False))
    assert connection.answer()[0] == 200


def test_a_refused_head_waits_for_the_answers_before_it(connection: Connection) -> None:
    request = TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + framed(BODY, chunked=False)
    connection.socket.sendall(request + GET + b"\r\n" + WHOLE["101 headers"] + GET + b"\r\n")
    assert [connection.answer()[0] for _ in range(3)] == [200, 200, 431]
    assert connection.stream.read() == b""


def test_what_was_refused_is_counted_and_logged(server: RunningServer, connection: Connection) -> None:
    connection.socket.sendall(WHOLE["101 headers"])
    request_id = connection.answer()[1]["x-request-id"]
    assert 'status="431",verb="unmatched"' in server.http.get("/metrics").text
    deadline = time.monotonic() + ANSWER_S
    while not any(line.get("id") == request_id and line["status"] == 431 for line in server.log_lines()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_trailers_join_no_headers(connection: Connection) -> None:
    trailer = b"0\r\nX-Request-Timeout: never\r\nAccept: image/png\r\n\r\n"
    chunks = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    connection.socket.sendall(CHUNKED + chunks + trailer)
    status, headers, _ = connection.answer()
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
        deaf = [stack.enter_context(closing(Connection(server, receive_bytes=4096))) for _ in range(4)]
        for one in deaf:
            one.socket.sendall(request * 60)
        deadline = time.monotonic() + ANSWER_S
        while len(process.net_connections("tcp")) > before:
            assert time.monotonic() < deadline, "they are still there"
            time.sleep(0.05)
        assert server.http.get("/livez").status_code == 200


@pytest.mark.parametrize("way", BOTH_WAYS)
def test_who_reads_slowly_gets_all_of_an_answer(affine_store: ModelStore, way: str) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server(affine_store.path, write_timeout_s=2, fast_path=way))
        slow = stack.enter_context(closing(Connection(server, receive_bytes=4096)))
        body = json.dumps({"z": [[0.5, 0.25]] * 1024}).encode()
        slow.socket.sendall(
            (TARGET + b"Host: x\r\nContent-Type: application/json\r\n" + framed(body, chunked=False)) * 40
        )
        began, answers = time.monotonic(), 0
        while answers < 40:
            if time.monotonic() - began < 5:
                time.sleep(0.1)
            status, _, content = slow.answer()
            assert (status, len(json.loads(content)["outputs"])) == (200, 1024)
            answers += 1
