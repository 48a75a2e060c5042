"""Log lines: their content and form, and that lines of several workers do not mix."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys

import pytest

from service.observability import logs
from service.observability.logs import TRACEBACKS, RequestLog
from service.settings import Settings
from tests.support.server import ROOT

PIPE_BUF = 4096
LOGGING = """
import asyncio, logging, structlog
from service.observability.logs import RequestLog, configure_logging
from service.settings import Settings

async def requests(log):
    for index in range(300):
        log.write(f"id-{index}", "größe", "encode", 1, 404, 0.001)
    log.flush()

settings = Settings(log_format="json")
configure_logging(settings)
structlog.get_logger("latent").info("ours", text="x" * 300)
logging.getLogger("uvicorn.error").warning("uvicorn's")
asyncio.run(requests(RequestLog(settings)))
structlog.get_logger("latent").info("end")
"""


def test_a_trace_names_its_lines_and_no_values() -> None:
    sent = "Bearer 123"
    try:
        int("x" if sent else "1")
    except ValueError:
        event = dict(TRACEBACKS(None, "error", {"exc_info": sys.exc_info()}))
    text = json.dumps(event)
    assert "ValueError" in text
    assert "test_logs.py" in text
    assert sent not in text


@pytest.mark.parametrize("unbuffered", ["1", ""])
def test_every_write_is_of_whole_lines_and_fits_a_pipe(unbuffered: str) -> None:
    writes = _writes({**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(ROOT)})
    assert all(write.endswith(b"\n") for write in writes)
    assert max(map(len, writes)) <= PIPE_BUF
    events = [json.loads(line) for write in writes for line in write.splitlines()]
    assert [event["event"] for event in events] == ["ours", "uvicorn's", *["request"] * 300, "end"]
    requests = events[2:-1]
    assert [request["id"] for request in requests] == [f"id-{index}" for index in range(300)]
    assert {request["model"] for request in requests} == {"größe"}
    assert len(writes) < len(events) / 5


def _writes(environment: dict[str, str]) -> list[bytes]:
    """What LOGGING writes to stderr, one element a call of write(2): a datagram socket keeps them apart."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, its, subprocess.Popen([sys.executable, "-c", LOGGING], stderr=its.fileno(), env=environment) as process:
        ours.settimeout(60)
        writes: list[bytes] = []
        while not writes or b'"event": "end"' not in writes[-1]:
            writes.append(ours.recv(1 << 20))
        assert process.wait(60) == 0
    return writes


async def test_a_full_write_does_not_wait(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(logs, "_FLUSH_S", 60.0)
    log, lines = RequestLog(Settings(log_format="json")), 0
    while not (written := capsys.readouterr().err):
        assert lines < 100
        log.write(f"id-{lines}", "image", "encode", 1, 200, 0.001)
        lines += 1
        await asyncio.sleep(0)
    assert PIPE_BUF / 2 < len(written) <= PIPE_BUF
    assert written.count("\n") == lines


async def test_a_single_line_comes_soon(capsys: pytest.CaptureFixture[str]) -> None:
    RequestLog(Settings(log_format="json")).write("alone", "image", "encode", 1, 200, 0.001)
    written = ""
    async with asyncio.timeout(60):
        while not written:
            await asyncio.sleep(0.01)
            written = capsys.readouterr().err
    assert json.loads(written)["id"] == "alone"


async def test_the_last_lines_are_written_at_the_end_and_the_next_loop_begins_anew(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = RequestLog(Settings(log_format="json"))
    for name in ("first", "second"):  # an application may be started again
        log.write(name, "image", "encode", 1, 200, 0.001)
        log.close()
        assert json.loads(capsys.readouterr().err)["id"] == name
    assert log._timer is None
