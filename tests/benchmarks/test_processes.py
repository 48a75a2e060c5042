"""Server processes of the benchmark: paused while others are measured, and stopped at the end."""

from __future__ import annotations

import subprocess
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
        until_stopped(server)
        before = server.cpu_s()
        with pytest.raises(httpx.ReadTimeout):
            server.http.get("/ready", timeout=0.3)
        assert server.cpu_s() == before
        server.resume()
        assert server.ask(SHOT).status_code == 200


def until_stopped(server: Running) -> None:
    """Wait until the signal has taken effect, which is soon after it was sent."""
    give_up = time.monotonic() + STOP_S
    while server._process.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_server_that_is_paused_is_stopped_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    kill = subprocess.Popen.kill

    def noted(process: subprocess.Popen[bytes]) -> None:
        killed.append(process.pid)
        kill(process)

    monkeypatch.setattr(subprocess.Popen, "kill", noted)
    with running(constant(), frozenset(), tmp_path) as server:
        process = server._process
        server.pause()
    assert killed == []
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_one_that_ended_while_it_was_paused_is_what_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="ASGI constant ended while"), running(constant(), frozenset(), tmp_path) as it:
        end_while_paused(it)


def end_while_paused(server: Running) -> None:
    """As the kernel does where memory runs out."""
    server.pause()
    server._process.kill()
    server._process.wait(STOP_S)
