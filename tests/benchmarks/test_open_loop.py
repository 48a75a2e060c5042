"""The open loop: requests are sent at their due times, and their answers are evaluated."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import open_loop
from benchmarks.serving.errors import BenchError
from benchmarks.serving.open_loop import Arrivals, Phase, due_times
from benchmarks.serving.parts.overload import judged
from benchmarks.serving.processes import running
from benchmarks.serving.servers import constant
from benchmarks.serving.wrk import Shot


def test_phases_follow_one_another() -> None:
    assert due_times([Phase(4.0, 1.0), Phase(2.0, 1.5)]) == pytest.approx([0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0])


def test_a_request_on_the_wire() -> None:
    shot = Shot("/encode", b"\x00body", {"Content-Type": "application/x-npy"})
    assert open_loop.request_bytes("127.0.0.1:80", shot) == (
        b"POST /encode HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: application/x-npy\r\nContent-Length: 5\r\n"
        b"\r\n\x00body"
    )


def test_every_arrival_of_a_real_server_is_answered(tmp_path: Path) -> None:
    shot = Shot("/", b"{}", {"Content-Type": "application/json"})
    with running(constant(), frozenset(), tmp_path) as server:
        arrivals = open_loop.run(
            server.url, shot, [Phase(200.0, 0.5), Phase(100.0, 0.5)], connections=8, wait_s=20.0, patience_s=20.0
        )
    assert len(arrivals.status) == 150
    assert set(arrivals.status) == {200}
    assert (arrivals.due_s <= arrivals.sent_s).all()
    assert (arrivals.sent_s < arrivals.answered_s).all()
    assert len(arrivals.between(0.5, np.inf).due_s) == 50


def test_a_closed_loop_sends_the_next_request_when_it_has_an_answer(tmp_path: Path) -> None:
    shot = Shot("/", b"{}", {"Content-Type": "application/json"})
    with running(constant(), frozenset(), tmp_path) as server:
        arrivals = open_loop.saturate(server.url, shot, 100, connections=4, patience_s=20.0)
    assert len(arrivals.status) == 100
    assert set(arrivals.status) == {200}
    under_way = [
        ((arrivals.sent_s <= moment) & (arrivals.answered_s > moment)).sum() for moment in arrivals.sent_s.tolist()
    ]
    assert max(under_way) == 4


def test_what_finds_no_free_connection_in_time_is_never_sent() -> None:
    shot = Shot("/", b"{}", {})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        arrivals = open_loop.run(url, shot, [Phase(20.0, 0.5)], connections=1, wait_s=1.0, patience_s=2.0)
    assert np.isfinite(arrivals.sent_s).tolist() == [True] + 9 * [False]
    assert set(arrivals.status) == {open_loop.UNANSWERED}


def test_a_server_that_is_not_there_is_an_error() -> None:
    shot = Shot("/", b"{}", {})
    with pytest.raises(BenchError, match="2 connections cannot be opened"):
        open_loop.run("http://127.0.0.1:1", shot, [Phase(1.0, 1.0)], connections=2, wait_s=1.0, patience_s=1.0)


def test_an_overload_is_judged() -> None:
    # Ten a second for three seconds, then four a second for two; deadline 1 s, the first half settles.
    due = due_times([Phase(10.0, 3.0), Phase(4.0, 2.0)])
    sent = due + 0.125
    answered = sent + 0.25
    status = np.full(len(due), 200, np.int16)
    retry_after = np.zeros(len(due), np.bool_)
    status[10:15], retry_after[10:15] = 503, True
    status[15] = 503  # without Retry-After
    status[16], answered[16] = open_loop.UNANSWERED, np.inf
    answered[17] = sent[17] + 1.5  # late
    status[18], sent[18], answered[18] = open_loop.UNANSWERED, np.inf, np.inf
    status[32] = 504  # half a second after the load has fallen
    found = judged(Arrivals(due, sent, answered, status, retry_after), 3.0, 150.0)
    assert found.offered_per_s == 10.0
    assert found.sent_per_s == pytest.approx(28 / 3)  # one never, one after the load has fallen
    assert (found.refused, found.other, found.late, found.unsent) == (5, 2, 1, 1)
    # From 0.5 s to 3 s: requests 2 … 26 are answered then, less nine that are no good.
    assert found.goodput_per_s == pytest.approx((25 - 9) / 2.5)
    assert found.refused_per_s == pytest.approx(5 / 2.5)
    assert (found.p50_ms, found.refusal_p99_ms, found.waited_p99_ms) == pytest.approx((250.0, 250.0, 125.0))
    assert found.recovery_s == pytest.approx(0.6)  # sent at 3.625 s, the last of the load at 3.025 s
