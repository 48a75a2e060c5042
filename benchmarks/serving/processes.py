"""A server in a process of its own: started, waited for, weighed, stopped."""

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
SETTLE_S = 10.0
_STILL_S = 0.02
_POLL_S = 0.005


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    server: Server
    url: str
    ready_s: float
    """From the start of the process to the first 200."""
    idle_mb: float
    """Resident once it was ready, before any request but those that asked whether it is."""
    http: httpx.Client
    log: Path
    _process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds so far, user and system, of the process, its threads and its children."""
        return sum(times.user + times.system for times in (one.cpu_times() for one in self._family()))

    def resident_mb(self) -> float:
        """Resident megabytes (10^6) of the process and its children; pages that they share count for each."""
        return sum(one.memory_info().rss for one in self._family()) / 1e6

    def settle(self) -> None:
        """Wait until it is through with what nobody waits for any more: it would take the next one's CPU."""
        give_up, before = time.perf_counter() + SETTLE_S, self.cpu_s()
        while time.perf_counter() < give_up:
            time.sleep(_STILL_S)
            now = self.cpu_s()
            if now - before <= _STILL_S / 4:
                return
            before = now

    def pause(self) -> None:
        """Stop it where it is until `resume`: a server that nobody asks still wakes ten times a second."""
        for one in self._family():
            one.suspend()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        for one in self._family():
            one.resume()

    def ask(self, shot: Shot) -> httpx.Response:
        """Send it once. Raises BenchError for anything but a 200."""
        response = self.http.post(shot.path, content=shot.body, headers=dict(shot.headers))
        if response.status_code != 200:
            raise BenchError(f"{self.server.name} answers {response.status_code}: {response.text[:200]}")
        return response

    def workers(self) -> list[psutil.Process]:
        """The processes that answer: itself, or the workers that it has started (not Python's helper processes)."""
        children = [one for one in self._process.children() if any("spawn_main" in part for part in one.cmdline())]
        return children or [self._process]

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


@contextmanager
def running(server: Server, cpus: AbstractSet[int], scratch: Path) -> Iterator[Running]:
    """Start a server on these CPUs, its output in a file in `scratch`; stop it at the end.

    Raises BenchError where it does not come to answer, with what it said last.
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
        # no connection is kept: a server that was paused closes those that were idle for too long as it wakes
        with httpx.Client(base_url=url, timeout=30.0, limits=httpx.Limits(max_keepalive_connections=0)) as http:
            _wait_until_ready(process, http, server, log)
            ready_s = time.perf_counter() - started
            family = psutil.Process(process.pid)
            answering = Running(server, url, ready_s, _resident_mb(family), http, log, family)
            try:
                yield answering
            finally:
                with suppress(psutil.NoSuchProcess):
                    answering.resume()  # what is paused does not stop either
            if process.poll() is not None:
                raise BenchError(f"{server.name} ended while it was measured: {_said(log)}")
    finally:
        _stop(process)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
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
