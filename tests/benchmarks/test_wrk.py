"""The script for wrk, and parsing its output; one real run where wrk is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.serving import wrk
from benchmarks.serving.errors import BenchError
from benchmarks.serving.processes import running
from benchmarks.serving.servers import constant

SHOT = wrk.Shot("/encode", b'{"z": "\x00\xff"}', {"Content-Type": "application/json", "Accept": "application/x-npy"})
OUTPUT = """Running 2s test @ http://127.0.0.1:8000
  1 threads and 64 connections
Requests/sec:   9216.15
Transfer/sec:      1.33MB

summary of the run: {"requests": 18450, "duration_us": 2001924, "p50_us": 6120, "p99_us": 14770, "max_us": 31077, \
"not_2xx": 450, "socket_errors": 3}
"""

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason=wrk.MISSING)


def test_a_summary_is_read() -> None:
    load = wrk.parse(OUTPUT)
    assert (load.requests, load.refused, load.socket_errors) == (18450, 450, 3)
    assert (load.p50_ms, load.p99_ms, load.max_ms) == (6.12, 14.77, 31.077)
    assert load.per_second == pytest.approx(18_000 / 2.001924)


def test_a_run_without_a_summary_is_an_error() -> None:
    with pytest.raises(BenchError, match="wrk said nothing of its run: Requests/sec: 12"):
        wrk.parse("Requests/sec:  12\n")


def test_errors_in_a_run_are_named() -> None:
    with pytest.raises(BenchError, match="latent, c=64: 450 of 18450 answers were no 2xx, 3 socket errors"):
        wrk.parse(OUTPUT).require_good("latent, c=64")


def test_the_script_posts_the_file(tmp_path: Path) -> None:
    lines = wrk.script(SHOT, tmp_path / "body").splitlines()
    assert lines[:4] == [
        'wrk.method = "POST"',
        'wrk.path = "/encode"',
        'wrk.headers["Content-Type"] = "application/json"',
        'wrk.headers["Accept"] = "application/x-npy"',
    ]
    assert f'local file = assert(io.open("{tmp_path}/body", "rb"))' in lines


def test_without_wrk_one_line_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BenchError, match="apt-get install wrk") as raised:
        wrk.drive("http://127.0.0.1:1", SHOT, connections=1, seconds=1)
    assert len(str(raised.value).splitlines()) == 1


@needs_wrk
def test_a_real_run_is_counted(tmp_path: Path) -> None:
    with running(constant(), frozenset(), tmp_path) as server:
        before = server.cpu_s()
        load = wrk.drive(server.url, SHOT, connections=4, seconds=1)
        assert server.cpu_s() > before
    load.require_good("the constant")
    assert load.requests > 100
    assert 0.9 < load.seconds < 3.0
    assert 0.0 < load.p50_ms <= load.p99_ms <= load.max_ms


@needs_wrk
def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BenchError, match=r"wrk failed: unable to connect to 127\.0\.0\.1:1"):
        wrk.drive("http://127.0.0.1:1", SHOT, connections=1, seconds=1)
