"""What a connection takes, and what it refuses: each rule on the fast path and on FastAPI's routes."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from model_store import ModelStore
from tests.hostile.vectors import CHUNKED, CHUNKS, LAST, LIVE, MALFORMED, REFUSED, TAKEN, chunked, get, post
from tests.service.conftest import BOTH_WAYS
from tests.support.problems import assert_problem
from tests.support.raw_http import ANSWER_S, Answer, Connection, request
from tests.support.server import RunningServer, running_server

PIECE_BYTES = 9


@pytest.fixture(scope="module", params=BOTH_WAYS)
def server(request: pytest.FixtureRequest, affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="openvino", fast_path=request.param) as running:
        yield running


@pytest.fixture
def connection(server: RunningServer) -> Iterator[Connection]:
    with server.connect() as opened:
        yield opened


def in_pieces(connection: Connection, data: bytes) -> None:
    """Send data in many small segments, as long as the server takes them."""
    for start in range(0, len(data), PIECE_BYTES):
        try:
            connection.send(data[start : start + PIECE_BYTES])
        except OSError:  # it has been refused, and the rest was not waited for
            return


def assert_refused(server: RunningServer, connection: Connection, status: int, slug: str) -> Answer:
    """Hold the next answer to be a problem, and the last one."""
    answer = connection.read_answer()
    assert_problem(answer.as_httpx(server.url), status, slug)
    assert answer.headers["connection"] == "close"
    assert connection.is_closed()
    return answer


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_a_rule_is_refused_and_closed(server: RunningServer, name: str) -> None:
    status, slug, data = REFUSED[name]
    with server.connect() as alone:
        alone.send(data + LIVE)
        assert_refused(server, alone, status, slug)
    with server.connect() as pieces:
        in_pieces(pieces, data)
        assert_refused(server, pieces, status, slug)
    with server.connect() as behind:  # never takes the answer of a request before it
        behind.send(post(b"X-Request-ID: good") + LIVE + data + LIVE)
        assert [(answer.status, answer.headers["x-request-id"]) for answer in [behind.read_answer()]] == [(200, "good")]
        assert behind.read_answer().json() == {"status": "alive"}
        assert_refused(server, behind, status, slug)


@pytest.mark.parametrize("name", TAKEN)
def test_what_breaks_no_rule_is_answered_and_the_connection_kept(connection: Connection, name: str) -> None:
    statuses, data = TAKEN[name]
    for _ in range(3):  # the third time its head may be known
        connection.send(data)
        assert [connection.read_answer().status for _ in statuses] == statuses
    connection.send(data + LIVE)
    assert [connection.read_answer().status for _ in statuses] == statuses
    assert connection.read_answer().json() == {"status": "alive"}


@pytest.mark.parametrize("name", LAST)
def test_what_follows_the_last_request_is_discarded(server: RunningServer, name: str) -> None:
    statuses, data = LAST[name]
    for behind in (b"", LIVE, b"nonsense\r\n\r\n", post(host=())):
        with server.connect() as connection:
            connection.send(data + behind)
            answers = [connection.read_answer() for _ in statuses]
            assert [answer.status for answer in answers] == statuses
            assert answers[-1].headers["connection"] == "close"
            assert connection.is_closed()


def test_every_refusal_is_logged_and_counted_once(server: RunningServer) -> None:
    before = counted(server)
    refused = Counter[int]()
    ids = Counter[str]()
    for status, slug, data in REFUSED.values():
        with server.connect() as connection:
            connection.send(data)
            ids[assert_refused(server, connection, status, slug).headers["x-request-id"]] += 1
            refused[status] += 1
    assert counted(server) - before == refused
    deadline = time.monotonic() + ANSWER_S
    while (logged := Counter(line["id"] for line in server.log_lines() if line.get("id") in ids)).total() < len(ids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert logged == ids


def counted(server: RunningServer) -> Counter[int]:
    """How many requests were answered with each status of a refusal."""
    found = Counter[int]()
    for line in re.findall(r"latent_requests_total\{.*?\} .*", server.http.get("/metrics").text):
        status = int(re.findall(r'status="(\d+)"', line)[0])
        if status in {status for status, _, _ in REFUSED.values()}:
            found[status] += int(float(line.rpartition(" ")[2]))
    return found


BROKEN = [chunked(CHUNKS + b"x\r\n"), chunked(b"zz\r\n"), chunked(CHUNKS, b"0\r\nHost: x\r\n\r\n")]


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("in_two", [False, True], ids=["at once", "apart"])
def test_a_body_that_breaks_is_its_own_requests_error(
    server: RunningServer, connection: Connection, data: bytes, in_two: bool
) -> None:
    """Under its own id, in the log as well: the same on the fast path and on the routes."""
    request_id = f"broken-{BROKEN.index(data)}-{in_two}"
    data = data.replace(b"Host: x\r\n", b"Host: x\r\nX-Request-ID: %b\r\n" % request_id.encode(), 1)
    if in_two:
        connection.send(data[:-4])
        server.let_it_read()
        connection.send(data[-4:])
    else:
        connection.send(data)
    answer = assert_refused(server, connection, 400, MALFORMED)
    assert answer.headers["x-request-id"] == request_id
    deadline = time.monotonic() + ANSWER_S
    while not (lines := [line for line in server.log_lines() if line.get("id") == request_id]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [(line["verb"], line["status"], line["model"]) for line in lines] == [("POST /decode", 400, "image@1")]


def test_an_absolute_target_says_which_host_is_meant(connection: Connection) -> None:
    """Seen where a page links to itself."""
    connection.send(get(b"http://elsewhere.example:99/models/image"))
    relative = connection.read_answer()
    connection.send(get(b"/models/image"))
    assert relative.json() == connection.read_answer().json()


# -- bodies that are not read ------------------------------------------------------------------------------

UNREAD = {
    "unknown path": (404, post(target=b"/nowhere")),
    "wrong method": (405, post(target=b"/livez")),
    "unknown model": (404, post(target=b"/decode?model=imago")),
    "unknown type": (415, post().replace(b"application/json", b"text/plain")),
    "unknown Accept": (406, post(b"Accept: text/html")),
    "bad header": (400, post(b"X-Request-Timeout: soon")),
    "not found without the key": (404, post(target=b"/models/image/reload")),
    "a body to GET": (200, get(b"/livez", b"Content-Length: 9") + b"x" * 9),
}


@pytest.mark.parametrize("name", UNREAD)
def test_an_answer_before_the_body_closes_the_connection_where_the_body_does_not_come(
    server: RunningServer, name: str
) -> None:
    status, data = UNREAD[name]
    with server.connect() as connection:  # what comes later is part of the body, and is no request
        connection.send(data[:-5])
        answer = connection.read_answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        connection.send(LIVE)
        assert connection.is_closed()


@pytest.mark.parametrize("name", UNREAD)
def test_an_answer_before_the_body_keeps_the_connection_where_the_body_comes(
    server: RunningServer, connection: Connection, name: str
) -> None:
    status, data = UNREAD[name]
    connection.send(data[:-5])
    server.let_it_read()
    connection.send(data[-5:] + LIVE)
    answer = connection.read_answer()
    assert (answer.status, "connection" in answer.headers) == (status, False)
    assert connection.read_answer().json() == {"status": "alive"}


@pytest.mark.parametrize("name", ["unknown path", "unknown model", "unknown type"])
def test_who_waits_to_send_a_body_is_answered_and_closed(connection: Connection, name: str) -> None:
    """It may or may not send the body now: what came would be a body to one, a request to the other."""
    status, data = UNREAD[name]
    connection.send(data.partition(b"\r\n\r\n")[0] + b"\r\nExpect: 100-continue\r\n\r\n")
    answer = connection.read_answer()
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert connection.is_closed()


# -- overload ----------------------------------------------------------------------------------------------

WRONG = {name: REFUSED[name] for name in ("no Host", "two Hosts", "HTTP/2.0", "length of 20 digits", "identity")}


def test_wrong_heads_are_refused_under_overload_too(server: RunningServer) -> None:
    good = request("/decode?model=image", b'{"z": [[0, 0]]}', timeout_s="0.001")
    with ExitStack() as stack:
        crowd = [stack.enter_context(server.connect()) for _ in range(100)]
        wrong = [(stack.enter_context(server.connect()), *vector) for vector in WRONG.values()]
        server.let_it_read()
        with server.paused():
            for one in crowd:
                one.send(good)
            for connection, _, _, data in wrong:
                connection.send(data.replace(b"Host: x", b"Host: x\r\nX-Request-Timeout: 0.001", 1))
        assert 503 in {one.read_answer().status for one in crowd}
        for connection, status, slug, _ in wrong:
            assert_refused(server, connection, status, slug)


# -- heads that never end ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=BOTH_WAYS)
def hasty_server(request: pytest.FixtureRequest, affine_store: ModelStore) -> Iterator[RunningServer]:
    """Waits a second for a head, and as long for a body."""
    with running_server(
        affine_store.path, engine="openvino", head_timeout_s=1, body_timeout_s=1, fast_path=request.param
    ) as running:
        yield running


@pytest.mark.parametrize("begun", [b"P", b"POST /decode", post()[:60], b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\nG"])
def test_a_head_that_is_not_whole_in_time_is_a_408(hasty_server: RunningServer, begun: bytes) -> None:
    for before in (b"", post(), LIVE):
        with hasty_server.connect() as connection:
            connection.send(before + begun)
            if before:
                assert connection.read_answer().status == 200
            assert_refused(hasty_server, connection, 408, "head-timeout")


def test_a_head_of_a_byte_at_a_time_is_a_408(hasty_server: RunningServer) -> None:
    with hasty_server.connect() as connection:
        deadline = time.monotonic() + ANSWER_S
        try:
            connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: ")
            while time.monotonic() < deadline:
                connection.send(b"a")
                time.sleep(0.1)
        except OSError:
            pass
        else:
            pytest.fail("it may go on for ever")


def test_who_asks_nothing_is_no_slow_head(hasty_server: RunningServer) -> None:
    with hasty_server.connect() as connection:
        connection.send(LIVE + b"\r\n")
        assert connection.read_answer().status == 200
        time.sleep(3)
        connection.send(LIVE)
        assert connection.read_answer().status == 200


@pytest.mark.parametrize("end", [b"0\r\nX-A: b\r\n", b"0\r\n", b"5;a", b""])
def test_trailers_and_chunks_that_do_not_come_are_a_late_body(hasty_server: RunningServer, end: bytes) -> None:
    with hasty_server.connect() as connection:
        connection.send(chunked(CHUNKS, end))
        assert_refused(hasty_server, connection, 408, "body-timeout")
    with hasty_server.connect() as connection:  # nobody reads this body
        connection.send(get(b"/livez", CHUNKED) + CHUNKS + end)
        answer = connection.read_answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert connection.is_closed()


# -- caches ------------------------------------------------------------------------------------------------


def test_long_paths_are_not_kept(server: RunningServer) -> None:
    """A thousand of 60 kB would be 60 MB."""
    process = psutil.Process(server.process.pid)
    with server.connect() as connection:

        def ask(times: int) -> int:
            for number in range(times):
                connection.send(get(b"/%05d/" % number + b"a" * 60_000))
                assert connection.read_answer().status == 404
            return process.memory_info().rss

        before = ask(50)
        assert ask(1_000) - before < 30 << 20


def test_the_reader_of_these_tests_sees_a_json_problem(connection: Connection) -> None:
    connection.send(REFUSED["two Hosts"][2])
    problem = json.loads(connection.read_answer().body)
    assert problem["errors"] == [{"loc": ["Host"], "expected": "one", "got": "2 values"}]
