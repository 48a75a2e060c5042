"""The cache of known heads: equal bytes are parsed once, and any difference goes to the parser."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from service.app import create_app
from service.fast_path.dispatch import Dispatch
from service.fast_path.known_heads import KnownHead, KnownHeads, VerbHead
from service.fast_path.uvicorn_protocol import FastPathProtocol
from service.limits import InFlightBytes
from service.settings import Settings
from service.verbs.endpoints import DECODE, POSTS
from service.wire.head import Head
from tests.support.raw_http import Connection, request
from tests.support.server import RunningServer

HEAD = b"POST /decode HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
WHOLE = HEAD + b"\r\n12345"
POSTED = VerbHead(
    DECODE, "/decode", "/decode", Head([(b"host", b"a"), (b"content-length", b"5")], b""), None, timeout_s=30.0
)


def known(*heads: bytes, most: int = 512) -> KnownHeads:
    """Each of which has come twice in a row, with a body of five bytes."""
    found = KnownHeads(most)
    for head in heads:
        once = found.note(head + b"\r\n12345", 5, POSTED, b"")
        found.note(head + b"\r\n54321", 5, POSTED, once)
    return found


def key(head: bytes) -> bytes:
    """As KnownHeads has it: without the end of its last line."""
    return head.removesuffix(b"\r\n")


def test_a_head_is_known_once_it_came_twice_in_a_row() -> None:
    heads = KnownHeads()
    once = heads.note(WHOLE, 5, POSTED, b"")
    assert not heads
    other = heads.note(HEAD + b"X-Request-ID: 1\r\n\r\n12345", 5, POSTED, once)
    heads.note(HEAD + b"X-Request-ID: 2\r\n\r\n12345", 5, POSTED, other)
    assert not heads  # each of its own
    heads.note(HEAD + b"\r\n67890", 5, POSTED, once)
    assert heads == {key(HEAD): KnownHead(POSTED, 5)}


@pytest.mark.parametrize(
    ("data", "body_bytes"),
    [
        pytest.param(b"\r\n" + WHOLE, 5, id="an empty line before it"),
        pytest.param(b"POST / HTTP/1.1\nContent-Length: 9\n\n\r\n\r\n12345", 9, id="line feeds alone"),
        pytest.param(
            b"POST / HTTP/1.1\nContent-Length: 5\n\nAAAAAPOST /x HTTP/1.1\r\n\r\nBBBBB",
            5,
            id="line feeds whose sizes add up",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n", 5, id="a body in chunks"
        ),
        pytest.param(WHOLE + WHOLE, 5, id="two requests"),
        pytest.param(b"POST / HTTP/1.1\r\nX: " + 5000 * b"a" + b"\r\nContent-Length: 5\r\n\r\n12345", 5, id="long"),
    ],
)
def test_what_does_not_add_up_is_not_kept(data: bytes, body_bytes: int) -> None:
    heads = KnownHeads()
    assert heads.note(data, body_bytes, POSTED, b"") == b""
    assert heads.note(data, body_bytes, POSTED, data[: data.find(b"\r\n\r\n")]) == b""
    assert not heads


def test_no_more_are_kept_than_may_be() -> None:
    heads = [HEAD + b"X: %d\r\n" % number for number in range(5)]
    kept = known(*heads, most=3)
    assert [key(head) in kept for head in heads] == [False, False, True, True, True]


# -- what is looked for among them -----------------------------------------------------------------------------


def dispatch_with(heads: KnownHeads) -> Dispatch:
    app = create_app(Settings())
    app.state.services = SimpleNamespace(settings=Settings())
    made = Dispatch(app, POSTS)
    made.known_heads = heads
    return made


class Reading(FastPathProtocol):
    """A connection that answers nothing, and writes down what is begun and what its parser is given."""

    def __init__(self) -> None:
        app = create_app(Settings())
        super().__init__(
            config=uvicorn.Config(app, log_config=None, ws="none"),
            server_state=ServerState(),
            app_state={},
            access_log=app.state.access_log,
            head_timeout_s=60.0,
            in_flight=InFlightBytes(1 << 30),
            write_timeout_s=60.0,
            dispatch=dispatch_with(known(HEAD)),
        )
        self.connection_made(Mock())
        self.begun: list[tuple[VerbHead, bytes]] = []
        self.parsed: list[bytes] = []

    def _enter(self, posted: VerbHead, body: bytes) -> None:
        self.begun.append((posted, body))

    def _parse(self, data: bytes | memoryview) -> int | None:
        self.parsed.append(bytes(data))
        return super()._parse(data)


async def test_a_known_head_with_another_body_is_not_parsed() -> None:
    reading = Reading()
    reading.data_received(HEAD + b"\r\nabcde")
    reading.data_received(HEAD + b"\r\n\r\n\r\n1")
    assert reading.begun == [(POSTED, b"abcde"), (POSTED, b"\r\n\r\n1")]
    assert reading.parsed == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\r\n\r\n" + WHOLE, id="empty lines before it"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(HEAD + b"\r\n1234", id="half a body"),
        pytest.param(HEAD + b"\r\n123456", id="more than a body"),
        pytest.param(WHOLE + WHOLE, id="two requests"),
        pytest.param(HEAD.replace(b"Host", b"host") + b"\r\n12345", id="another case"),
        pytest.param(HEAD + b"Connection: close\r\n\r\n12345", id="a further line"),
    ],
)
async def test_whatever_differs_is_parsed(data: bytes) -> None:
    reading = Reading()
    reading.data_received(data)
    assert reading.parsed == [data]
    assert all(posted is not POSTED for posted, _ in reading.begun)
    reading._forget()  # what has come of a body would be given to the application


async def test_a_body_that_looks_like_a_known_request_is_a_body() -> None:
    reading = Reading()
    reading.data_received(request("/decode", headers={"Content-Length": str(len(WHOLE))}))
    reading.data_received(WHOLE)
    assert [body for _, body in reading.begun] == [WHOLE]
    assert len(reading.parsed) == 2


async def test_a_known_request_behind_one_that_is_not_answered_is_parsed() -> None:
    reading = Reading()
    reading.cycle = Mock(response_complete=False)
    reading.data_received(WHOLE)
    assert reading.parsed == [WHOLE]


def test_a_head_that_is_wrong_holds_on_to_nothing() -> None:
    """A traceback would hold the connection, and all that it has read."""

    class Read:
        pass

    def posted_by_a_connection() -> tuple[VerbHead | None, weakref.ref[Read]]:
        read = Read()
        posted = dispatch.parse_head(b"/decode", b"", [(b"x-request-timeout", b"-1")])
        return posted, weakref.ref(read)

    dispatch = dispatch_with(KnownHeads())
    gc.disable()
    try:
        posted, read = posted_by_a_connection()
        assert posted is not None
        assert posted.timeout_s is None
        assert read() is None
    finally:
        gc.enable()


# -- over a connection ---------------------------------------------------------------------------------------


def numbered(number: int, headers: dict[str, str] | None = None) -> bytes:
    """A posted code (number, 0); all of them have one head."""
    body = json.dumps({"z": [[round(number / 100, 2), 0]]}).ljust(24)
    return request("/decode?model=image", body.encode(), headers=headers)


@pytest.fixture
def connection(openvino_server: RunningServer) -> Iterator[Connection]:
    with openvino_server.connect() as opened:
        yield opened


def read(connection: Connection) -> tuple[int, object]:
    """Status and outputs of the next answer."""
    answer = connection.read_answer()
    return answer.status, answer.json().get("outputs")


@pytest.fixture(scope="module")
def expected(openvino_server: RunningServer) -> list[tuple[int, object]]:
    """What ten codes come to, each asked for over a connection of its own: nothing has come before."""
    answers = []
    for number in range(10):
        with openvino_server.connect() as alone:
            alone.send(numbered(number, {"X-First": str(number)}))
            answers.append(read(alone))
    assert len({json.dumps(answer) for answer in answers}) == 10
    return answers


def test_the_same_head_with_other_bodies(connection: Connection, expected: list[tuple[int, object]]) -> None:
    for number in (0, 1, 2, 3, 9, 4, 0):
        connection.send(numbered(number))
        assert read(connection) == expected[number]


def test_a_known_head_whose_body_comes_late(
    openvino_server: RunningServer, connection: Connection, expected: list[tuple[int, object]]
) -> None:
    for number in range(3):
        connection.send(numbered(number))
        assert read(connection) == expected[number]
    whole = numbered(5)
    for cut in (30, whole.find(b"\r\n\r\n") + 4, len(whole) - 3):
        connection.send(whole[:cut])
        openvino_server.let_it_read()
        connection.send(whole[cut:])
        assert read(connection) == expected[5]


def test_a_known_head_that_is_refused(connection: Connection) -> None:
    for timeout_s, status in ((-1, 400), (30, 422)):  # there is no z
        for _ in range(4):
            connection.send(request("/decode?model=image", b"{}", timeout_s=timeout_s))
            assert read(connection) == (status, None)


@settings(max_examples=25, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 9), min_size=3, max_size=8),
    cuts=st.lists(st.integers(1, 1500), max_size=6),
)
def test_however_requests_are_cut_into_reads(
    openvino_server: RunningServer, expected: list[tuple[int, object]], numbers: list[int], cuts: list[int]
) -> None:
    with openvino_server.connect() as connection:
        for number in (1, 1):  # its head is known from here on
            connection.send(numbered(number))
            assert read(connection) == expected[1]
        data = b"".join(map(numbered, numbers))
        places = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
        for start, end in pairwise(places):
            connection.send(data[start:end])
            openvino_server.let_it_read()
        assert [read(connection) for _ in numbers] == [expected[number] for number in numbers]
