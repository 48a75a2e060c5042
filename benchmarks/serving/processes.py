"""Starts, measures and stops servers in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.serving.children import ROOT, last_line
from benchmarks.serving.cpus import on
from benchmarks.serving.errors import BenchError
from benchmarks.serving.servers import Server
from benchmarks.serving.wrk import Shot

START_S = 120.0
STOP_S = 30.0
POST_LOAD_DELAY_S = 10.0
_STILL_S = 0.02
_POLL_S = 0.005


@dataclass(frozen=True)
class Running:
    """A running server process that is ready."""

    server: Server
    url: str
    ready_s: float
    """Seconds from the start of the process to its first 200."""
    idle_mb: float
    """Resident megabytes when the server was ready, before any request except readiness probes."""
    http: httpx.Client
    log: Path
    _process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds (user and system) so far of the process, its threads and its children."""
        return sum(times.user + times.system for times in (one.cpu_times() for one in self._family()))

    def resident_mb(self) -> float:
        """Resident megabytes (10^6) of the process and its children; shared pages count for each process."""
        return sum(one.memory_info().rss for one in self._family()) / 1e6

    def settle(self) -> None:
        """Wait until the server has finished background work, which would take CPU time from the next measurement."""
        give_up, before = time.perf_counter() + POST_LOAD_DELAY_S, self.cpu_s()
        while time.perf_counter() < give_up:
            time.sleep(_STILL_S)
            now = self.cpu_s()
            if now - before <= _STILL_S / 4:
                return
            before = now

    def pause(self) -> None:
        """Pause the process until `resume`, because an idle server still wakes ten times a second."""
        for one in self._family():
            one.suspend()

    def resume(self) -> None:
        """Continue the process after `pause`."""
        for one in self._family():
            one.resume()

    def ask(self, shot: Shot) -> httpx.Response:
        """Send one request. Raises BenchError for any status but 200."""
        response = self.http.post(shot.path, content=shot.body, headers=dict(shot.headers))
        if response.status_code != 200:
            raise BenchError(f"{self.server.name} answers {response.status_code}: {response.text[:200]}")
        return response

    def workers(self) -> list[psutil.Process]:
        """The processes that answer requests: the server itself, or its workers (not Python's helper processes)."""
        children = [one for one in self._process.children() if any("spawn_main" in part for part in one.cmdline())]
        return children or [self._process]

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


@contextmanager
def running(server: Server, cpus: AbstractSet[int], scratch: Path) -> Iterator[Running]:
    """Start a server on these CPUs, with its output in a file in `scratch`; stop the server at the end.

    Raises BenchError, with the last line of output, where the server does not become ready.
    """
    port = free_port()
    log = scratch / f"{server.name.replace(' ', '-')}-{port}.log"
    command = [part.replace("{port}", str(port)) for part in server.command]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENT_")}
    with log.open("wb") as output:
        started = time.perf_counter()
        with on(cpus):
            process = subprocess.Popen(
                command, cwd=ROOT, env={**inherited, **server.environment}, stdout=output, stderr=output
            )
    url = f"http://127.0.0.1:{port}"
    try:
        # no connection is kept: a server closes idle connections when it continues after a pause
        with httpx.Client(base_url=url, timeout=30.0, limits=httpx.Limits(max_keepalive_connections=0)) as http:
            _wait_until_ready(process, http, server, log)
            ready_s = time.perf_counter() - started
            family = psutil.Process(process.pid)
            answering = Running(server, url, ready_s, _resident_mb(family), http, log, family)
            try:
                yield answering
            finally:
                with suppress(psutil.NoSuchProcess):
                    answering.resume()  # a paused process does not stop
            if process.poll() is not None:
                raise BenchError(f"{server.name} ended while it was measured: {_said(log)}")
    finally:
        _stop(process)


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], http: httpx.Client, server: Server, log: Path) -> None:
    give_up = time.perf_counter() + START_S
    while time.perf_counter() < give_up:
        if process.poll() is not None:
            raise BenchError(f"{server.name} does not start: {_said(log)}")
        try:
            if http.get(server.ready).status_code == 200:
                return
        except httpx.TransportError:
            pass  # the port is not bound yet
        time.sleep(_POLL_S)
    raise BenchError(f"{server.name} was not ready after {START_S:g} s: {_said(log)}")


def _resident_mb(process: psutil.Process) -> float:
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6


def _said(log: Path) -> str:
    return last_line(log.read_text(encoding="utf-8", errors="replace"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
