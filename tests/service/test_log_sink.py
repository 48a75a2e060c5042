"""The log's sink: text comes whole and in order; a sink that is full, gone or stuck blocks and raises nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from service.log_sink import _MOST_WAITING, LogSink, lost_lines
from tests.support.pipes import fill
from tests.support.server import ROOT

PATIENCE_S = 60.0


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        for descriptor in (reader, writer):
            with suppress(OSError):  # the test may have closed it
                os.close(descriptor)


def test_lines_come_whole_and_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        sink = LogSink(file.fileno())
        for number in range(1000):
            print("line", number, file=sink)
        sink.write("größe \udcff\nno end")
        assert sink.wait_until_written(PATIENCE_S)
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert lines == [*(f"line {number}" for number in range(1000)), "größe \\udcff", "no end"]
    assert set(sink.lost.values()) == {0}


def test_a_reader_that_is_gone() -> None:
    with pipe() as (reader, writer):
        sink = LogSink(writer)
        os.close(reader)
        for _ in range(3):
            sink.write("a\nb\n")
        assert sink.wait_until_written(PATIENCE_S)
        assert sink.lost == {"slow": 0, "closed": 6, "full": 0, "failed": 0}


def test_a_disk_that_is_full() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        sink = LogSink(full.fileno())
    sink.write("a\n")
    assert sink.wait_until_written(PATIENCE_S)
    assert sink.lost["full"] == 1


def test_a_reader_that_does_not_read() -> None:
    with pipe() as (reader, writer):
        sink = LogSink(writer)
        line = "x" * 4095 + "\n"
        lines = _MOST_WAITING // len(line) + 1000
        for _ in range(lines):
            sink.write(line)
        assert not sink.wait_until_written(0.01)
        assert 0 < sink.lost["slow"] <= 1000
        left = lines - sink.lost["slow"]
        while left:  # it reads after all
            left -= os.read(reader, 1 << 16).count(b"\n")
        assert sink.wait_until_written(PATIENCE_S)
        sink.write("later\n")
        assert os.read(reader, 1 << 16) == b"later\n"


def test_a_pipe_that_others_have_made_non_blocking() -> None:
    with pipe() as (reader, writer):
        os.set_blocking(writer, False)
        sink = LogSink(writer)
        line = "x" * 99 + "\n"
        for _ in range(2000):
            sink.write(line)
        got = b""
        while len(got) < 200_000:
            got += os.read(reader, 1 << 16)
        assert got.decode() == line * 2000
        assert not os.get_blocking(writer), "it is not ours alone"


PRINTS = """
import logging, os, sys, threading, warnings
from service.log_sink import install, lost_lines
from service.observability.logs import configure_logging
from service.settings import Settings

configure_logging(Settings(log_format="json"))
install()
warnings.warn("of a package")
logging.getLogger("other").warning("%d", "no number")  # logging prints a traceback
print("printed", file=sys.stderr)

def fail():
    raise RuntimeError("in a thread")

thread = threading.Thread(target=fail)
thread.start()
thread.join()
sys.stderr.wait_until_written(60)
print(lost_lines()["closed"], flush=True)
sys.exit(3)
"""


@pytest.mark.parametrize("reader", ["reads", "is gone", "does not read", "was never there"])
def test_whatever_prints_to_stderr_goes_through_it(reader: str) -> None:
    """And the exit code is the program's own."""
    with pipe() as (its, ours):
        if reader == "does not read":
            fill(ours)
        code = PRINTS.replace("wait_until_written(60)", "wait_until_written(0.1)") if "not" in reader else PRINTS
        arguments = [sys.executable, "-W", "always", "-c", code]
        if reader == "was never there":
            arguments = ["sh", "-c", 'exec "$@" 2>&-', "sh", *arguments]
        with subprocess.Popen(
            arguments,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=ours,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            os.close(ours)
            if reader == "is gone":
                os.close(its)
            lost, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 3
        if reader == "reads":
            said = os.read(its, 1 << 20).decode()
            assert re.search(r'"event": "<string>:\d+: UserWarning: of a package', said)
            for text in ("no number", "printed\n", "RuntimeError: in a thread\n"):
                assert text in said
        assert (int(lost) > 0) is (reader == "is gone")


def test_nothing_is_lost_where_there_is_no_sink() -> None:
    assert lost_lines() == {"slow": 0, "closed": 0, "full": 0, "failed": 0}


def test_a_file_that_is_full_for_a_while(tmp_path: Path) -> None:
    """A limit on its size stands in for the disk. A line that was cut off does not swallow the next one."""
    code = (
        "import resource, sys; from service.log_sink import install, lost_lines; install()\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (7, hard))\n"
        "for line in ('first', 'second', 'third'): print(line, file=sys.stderr)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        "print('fourth', file=sys.stderr)\n"
        "print(lost_lines()['full'])\n"
    )
    with (tmp_path / "log").open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=file, text=True, check=True
        )
    assert done.stdout == "2\n"
    assert (tmp_path / "log").read_text() == "first\ns\nfourth\n"
