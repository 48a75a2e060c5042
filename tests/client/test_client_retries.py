"""The client's retries: which requests, how often, how soon, and for how long."""

from __future__ import annotations

import socket
import time

import pytest

from latent_client import ConnectionFailed, DeadlineExceeded, TimedOut, Unavailable, wire
from tests.client.conftest import Connect
from tests.client.wire_server import HangUp, Received, Reply, Silence, WireServer, npz, problem

BUSY = problem(503, title="Queue full")
LONG_S = 60.0
"""Far more than anything takes, and less than what must not be waited for."""
DONE = npz(outputs=[[1.0]])


@pytest.mark.parametrize("obstacle", [BUSY, HangUp(), Reply(503, b"<html>", {"Content-Type": "text/html"})])
def test_a_503_and_a_broken_connection_are_asked_again(
    connect: Connect, server: WireServer, obstacle: Reply | Exception
) -> None:
    server.play(obstacle, obstacle, DONE)
    assert connect(retries=2).decode([[2.0]]).outputs.tolist() == [[1.0]]
    assert len(server.received) == 3
    assert len({request.body for request in server.received}) == 1
    assert len({request.headers["x-request-id"] for request in server.received}) == 1


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_no_more_often_than_told(connect: Connect, server: WireServer, retries: int) -> None:
    server.play(BUSY)
    with pytest.raises(Unavailable, match="503 Queue full"):
        connect(retries=retries).decode([[2.0]])
    assert len(server.received) == retries + 1


def test_multipart_is_sent_whole_again(connect: Connect, server: WireServer) -> None:
    server.play(BUSY, npz(z=[[0.0]] * 2, z_mean=[[0.0]] * 2))
    connect().encode([b"\xff\xd8\xff-a", b"\xff\xd8\xff-b"])
    first, second = (request.parts() for request in server.received)
    assert first == second == [("image/jpeg", b"\xff\xd8\xff-a"), ("image/jpeg", b"\xff\xd8\xff-b")]


def test_a_504_is_never_asked_again(connect: Connect, server: WireServer) -> None:
    server.play(problem(504, title="Deadline passed"), DONE)
    with pytest.raises(DeadlineExceeded):
        connect(retries=3).decode([[2.0]])
    assert len(server.received) == 1


def test_retry_after_is_waited_for(connect: Connect, server: WireServer) -> None:
    server.play(problem(503, headers={"Retry-After": "1"}), DONE)
    connect().decode([[2.0]])
    first, second = server.received
    assert 1.0 <= second.at_s - first.at_s < LONG_S


def test_a_retry_after_beyond_the_timeout_is_not_waited_for(connect: Connect, server: WireServer) -> None:
    server.play(problem(503, headers={"Retry-After": "600"}), DONE)
    began_s = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        connect(timeout_s=2 * LONG_S).decode([[2.0]])
    assert caught.value.retry_after_s == 600.0
    assert time.monotonic() - began_s < LONG_S
    assert len(server.received) == 1


def test_repetitions_share_one_timeout_and_tell_the_server_what_is_left(connect: Connect, server: WireServer) -> None:
    server.play(problem(503, headers={"Retry-After": "3"}))  # a third attempt would come too late, however slow all is
    with pytest.raises(Unavailable):
        connect(timeout_s=5.9, retries=50).decode([[2.0]])
    left_s = [float(request.headers["x-request-timeout"]) for request in server.received]
    assert len(left_s) == 2
    assert 3.0 < left_s[0] <= 5.9
    assert 0.0 < left_s[1] <= 2.9


def test_a_server_that_says_nothing_is_not_waited_for(connect: Connect, server: WireServer) -> None:
    server.play(Silence())
    began_s = time.monotonic()
    with pytest.raises(TimedOut, match=f"no answer from {server.url}/decode: ReadTimeout"):
        connect(timeout_s=0.2).decode([[2.0]])
    assert 0.6 < time.monotonic() - began_s < LONG_S
    assert len(server.received) == 1


def test_the_server_s_own_504_arrives_before_the_client_gives_up(
    connect: Connect, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "GRACE_S", LONG_S)  # how late the server's answer may be is the machine's affair

    def late(request: Received) -> Reply:
        server.over.wait(float(request.headers["x-request-timeout"]))
        return problem(504, instance="req-9")

    server.script = late
    with pytest.raises(DeadlineExceeded) as caught:
        connect(timeout_s=0.3).decode([[2.0]])
    assert caught.value.request_id == "req-9"


def test_a_refused_connection_names_the_url(connect: Connect) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ConnectionFailed, match=f"no answer from {url}/decode: ConnectError: .*") as caught:
            connect(url, retries=1).decode([[2.0]])
    assert caught.value.url == f"{url}/decode"
    assert not isinstance(caught.value, TimedOut)


def test_ready_asks_once(connect: Connect, server: WireServer) -> None:
    client = connect(retries=3)
    server.play(problem(503, detail="no ready version"), Reply(200))
    assert [client.ready(), client.ready()] == [False, True]
    assert [request.path for request in server.received] == ["/readyz", "/readyz"]


def test_ready_is_false_where_nobody_listens(connect: Connect) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert connect(f"http://127.0.0.1:{held.getsockname()[1]}").ready() is False


def test_wait_until_ready_returns_as_soon_as_it_is(connect: Connect, server: WireServer) -> None:
    server.play(*[problem(503, headers={"Retry-After": "600"})] * 6, HangUp(), Reply(200))
    began_s = time.monotonic()
    connect(retries=0).wait_until_ready(timeout_s=2 * LONG_S)
    assert len(server.received) == 8
    assert time.monotonic() - began_s < LONG_S


def test_wait_until_ready_says_what_stood_in_the_way(connect: Connect, server: WireServer) -> None:
    server.play(problem(503, title="Not ready", detail="digits@3 failed: goldens differ"))
    began_s = time.monotonic()
    with pytest.raises(Unavailable, match="503 Not ready: digits@3 failed: goldens differ"):
        connect().wait_until_ready(timeout_s=0.5)
    assert time.monotonic() - began_s < LONG_S


def test_wait_until_ready_gives_up_on_what_waiting_can_t_mend(connect: Connect, server: WireServer) -> None:
    server.play(problem(500))
    with pytest.raises(Exception, match="500 Title"):
        connect().wait_until_ready(timeout_s=LONG_S)
    assert len(server.received) == 1
