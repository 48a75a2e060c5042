"""Log lines: their content and form, and that lines of several workers do not mix."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys

import pytest

from service.observability import access_log
from service.observability.access_log import AccessLog, RequestRecord
from service.observability.logs import TRACEBACKS
from service.observability.metrics import Metrics
from service.settings import Settings
from tests.support.server import ROOT

PIPE_BUF = 4096
JSON_LINES = Settings(log_format="json")
LOGGING = """
import asyncio, logging, structlog
from service.observability.access_log import AccessLog, RequestRecord
from service.observability.logs import configure_logging
from service.observability.metrics import Metrics
from service.settings import Settings

async def requests(log):
    for index in range(300):
        record = RequestRecord(b"id-%d" % index)
        record.model = "größe"
        log.record(record, "POST", "/encode", "/encode", 404)
    log.close()

settings = Settings(log_format="json")
configure_logging(settings)
structlog.get_logger("latent").info("ours", text="x" * 300)
logging.getLogger("uvicorn.error").warning("uvicorn's")
asyncio.run(requests(AccessLog(Metrics(), settings)))
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


def note(log: AccessLog, request_id: str) -> None:
    """An answered request."""
    log.record(RequestRecord(request_id.encode()), "POST", "/encode", "/encode", 200)


async def test_a_full_write_does_not_wait(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(access_log, "_FLUSH_S", 60.0)
    log, lines = AccessLog(Metrics(), JSON_LINES), 0
    while not (written := capsys.readouterr().err):
        assert lines < 100
        note(log, f"id-{lines}")
        lines += 1
        await asyncio.sleep(0)
    assert PIPE_BUF / 2 < len(written) <= PIPE_BUF
    assert written.count("\n") == lines


async def test_a_single_line_comes_soon(capsys: pytest.CaptureFixture[str]) -> None:
    note(AccessLog(Metrics(), JSON_LINES), "alone")
    written = ""
    async with asyncio.timeout(60):
        while not written:
            await asyncio.sleep(0.01)
            written = capsys.readouterr().err
    assert json.loads(written)["id"] == "alone"


async def test_the_last_lines_are_written_at_the_end_and_the_next_loop_begins_anew(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = AccessLog(Metrics(), JSON_LINES)
    for name in ("first", "second"):  # an application may be started again
        note(log, name)
        log.close()
        assert json.loads(capsys.readouterr().err)["id"] == name
    assert log._lines._timer is None


async def test_a_refused_request_has_its_line_and_took_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    log = AccessLog(Metrics(), JSON_LINES)
    log.record_refused("refused", "POST", "/proxied/encode", "/encode", 503)
    log.close()
    line = json.loads(capsys.readouterr().err)
    assert (line["id"], line["verb"], line["status"]) == ("refused", "POST /proxied/encode", 503)
    assert (line["model"], line["items"], line["milliseconds"]) == (None, 0, 0.0)


async def test_a_long_path_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """What is written of a path is kept for the next line: clients choose their paths."""
    log = AccessLog(Metrics(), JSON_LINES)
    log.record_refused("id", "GET", "/" + "a" * 60_000, "unmatched", 404)
    log.close()
    assert json.loads(capsys.readouterr().err)["verb"] == ("GET /" + "a" * 60_000)[:256]


async def test_probes_have_a_line_only_where_they_fail(capsys: pytest.CaptureFixture[str]) -> None:
    log = AccessLog(Metrics(), JSON_LINES)
    for status in (200, 503, 404):
        log.record(RequestRecord(b"probe-%d" % status), "GET", "/readyz", "/readyz", status)
    log.close()
    assert [json.loads(line)["id"] for line in capsys.readouterr().err.splitlines()] == ["probe-503"]


def test_an_id_that_is_no_visible_ascii_is_replaced_by_one_of_ours() -> None:
    for given in (b"4f-1", b"!~", b"x" * 128):
        assert RequestRecord(given).request_id == given.decode()
    made = {RequestRecord(given).request_id for given in (None, b"", b"a b", b"\xff", b"a\n", b"x" * 129)}
    assert len(made) == 6
    assert all(len(request_id) == 32 and int(request_id, 16) >= 0 for request_id in made)
