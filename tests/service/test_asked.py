"""The cache of known heads: equal bytes are parsed once, and any difference goes to the parser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.app import create_app
from service.fast_path.dispatch import Entrance
from service.fast_path.known_heads import Asked, KnownHeads, Posted
from service.routes.inference import DECODE, POSTS
from service.settings import Settings
from tests.support.raw_http import Connection, request
from tests.support.server import RunningServer

HEAD = b"POST /decode HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
ASKED = Asked(Posted("/decode", DECODE), "/decode", b"", [(b"host", b"a"), (b"content-length", b"5")], 30.0, None)


def known(*heads: bytes, most: int = 512) -> KnownHeads:
    """Each of which has come twice in a row, with a body of five bytes."""
    found = KnownHeads(most)
    for head in heads:
        once = found.note(head + b"\r\n12345", 5, ASKED, b"")
        found.note(head + b"\r\n54321", 5, ASKED, once)
    return found


def test_a_head_is_known_once_it_came_twice_in_a_row() -> None:
    heads = KnownHeads()
    once = heads.note(HEAD + b"\r\n12345", 5, ASKED, b"")
    assert heads.find(HEAD + b"\r\n12345") is None
    other = heads.note(HEAD + b"X-Request-ID: 1\r\n\r\n12345", 5, ASKED, once)
    heads.note(HEAD + b"X-Request-ID: 2\r\n\r\n12345", 5, ASKED, other)
    assert heads.find(HEAD + b"X-Request-ID: 2\r\n\r\n12345") is None  # each of its own
    heads.note(HEAD + b"\r\n67890", 5, ASKED, once)
    assert heads.find(HEAD + b"\r\nabcde") == (ASKED, len(HEAD) + 2)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\r\n\r\n" + HEAD + b"\r\n12345", id="empty lines before it"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(HEAD + b"\r\n1234", id="half a body"),
        pytest.param(HEAD + b"\r\n123456", id="more than a body"),
        pytest.param(HEAD + b"\r\n12345" + HEAD + b"\r\n12345", id="two requests"),
        pytest.param(HEAD.replace(b"Host", b"host") + b"\r\n12345", id="another case"),
        pytest.param(HEAD + b"Connection: close\r\n\r\n12345", id="a further line"),
    ],
)
def test_whatever_differs_is_parsed(data: bytes) -> None:
    assert known(HEAD).find(data) is None


@pytest.mark.parametrize(
    ("data", "body_bytes"),
    [
        pytest.param(b"\r\n" + HEAD + b"\r\n12345", 5, id="an empty line before it"),
        pytest.param(b"POST / HTTP/1.1\nContent-Length: 9\n\n\r\n\r\n12345", 9, id="line feeds alone"),
        pytest.param(
            b"POST / HTTP/1.1\nContent-Length: 5\n\nAAAAAPOST /x HTTP/1.1\r\n\r\nBBBBB",
            5,
            id="line feeds whose sizes add up",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n", 5, id="a body in chunks"
        ),
        pytest.param(HEAD + b"\r\n12345" + HEAD + b"\r\n12345", 5, id="two requests"),
        pytest.param(b"POST / HTTP/1.1\r\nX: " + 5000 * b"a" + b"\r\nContent-Length: 5\r\n\r\n12345", 5, id="long"),
    ],
)
def test_what_does_not_add_up_is_not_kept(data: bytes, body_bytes: int) -> None:
    heads = KnownHeads()
    assert heads.note(data, body_bytes, ASKED, b"") == b""
    assert heads.note(data, body_bytes, ASKED, data[: data.find(b"\r\n\r\n")]) == b""
    assert heads.find(data) is None


def test_no_more_are_kept_than_may_be() -> None:
    heads = [HEAD + b"X: %d\r\n" % number for number in range(5)]
    kept = known(*heads, most=3)
    assert [kept.find(head + b"\r\n12345") is not None for head in heads] == [False, False, True, True, True]


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


def test_a_head_that_is_wrong_holds_on_to_nothing() -> None:
    """A traceback would hold the connection, and all that it has read."""
    app = create_app(Settings())
    app.state.services = SimpleNamespace(settings=Settings())
    wrong = Entrance(app, POSTS, "").asked(ASKED.posted, "/decode", b"", [(b"x-request-timeout", b"-1")]).wrong
    assert wrong is not None
    assert (wrong.status, wrong.__traceback__, wrong.__context__) == (400, None, None)


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
