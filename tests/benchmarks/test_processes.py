"""A server of the bench: paused while others are asked, and stopped all the same."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.serving.errors import BenchError
from benchmarks.serving.processes import STOP_S, Running, running
from benchmarks.serving.servers import constant
from benchmarks.serving.wrk import Shot

SHOT = Shot("/encode", b"{}", {"Content-Type": "application/json"})


def test_a_paused_server_does_nothing_until_it_goes_on(tmp_path: Path) -> None:
    with running(constant(), frozenset(), tmp_path) as server:
        server.pause()
        before = server.cpu_s()
        with pytest.raises(httpx.ReadTimeout):
            server.http.get("/ready", timeout=0.3)
        assert server.cpu_s() == before
        server.resume()
        assert server.ask(SHOT).status_code == 200


def test_a_server_that_is_paused_is_stopped_all_the_same(tmp_path: Path) -> None:
    with running(constant(), frozenset(), tmp_path) as server:
        process = server._process
        server.pause()
        left = time.perf_counter()
    assert time.perf_counter() - left < STOP_S  # neither waited for nor killed
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_one_that_ended_while_it_was_paused_is_what_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="ASGI constant ended while"), running(constant(), frozenset(), tmp_path) as it:
        end_while_paused(it)


def end_while_paused(server: Running) -> None:
    """As the kernel does where memory runs out."""
    server.pause()
    server._process.kill()
    server._process.wait(STOP_S)
