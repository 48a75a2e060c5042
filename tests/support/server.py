"""Runs the real service in a process of its own, on a free port; `python -m tests.support.server` is that process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from service.server.process import run
from service.settings import Settings
from tests.support.raw_http import ANSWER_S, Connection

ROOT = Path(__file__).parent.parent.parent
START_S = 60.0
STOP_S = 60.0


@dataclass(frozen=True)
class RunningServer:
    """A service that listens. `http` is for the tests; it is closed with the server."""

    url: str
    process: subprocess.Popen[bytes]
    http: httpx.Client
    _stderr: IO[bytes]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self, receive_bytes: int | None = None) -> Connection:
        """A bare connection, to be spoken to in bytes; `receive_bytes` is the size of its receive buffer."""
        return Connection(self.port, receive_bytes)

    def let_it_read(self) -> None:
        """Return when the service has read what was sent to it before.

        Its event loop takes connections in the order in which something came, so this one's turn is after the others'.
        With several workers it tells nothing.
        """
        assert self.http.get("/livez").status_code == 200

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process meanwhile: what is sent to it waits, and it finds all of it at once when it goes on."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def log_text(self) -> str:
        """Everything that the process has written to stderr."""
        return Path(self._stderr.name).read_text(encoding="utf-8")

    def log_lines(self) -> list[dict[str, Any]]:
        """Its log: one JSON object a line. What TensorFlow prints by itself is left out."""
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]

    def wait_for(self, path: str, status: int, timeout_s: float = START_S) -> httpx.Response:
        """Ask for `path` until it answers `status`."""
        deadline = time.monotonic() + timeout_s
        while True:
            response = self.http.get(path)
            if response.status_code == status:
                return response
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"{path} is {response.status_code}, not {status}: {response.text}")
            time.sleep(0.02)  # nothing tells other processes that the service is ready

    def terminate(self) -> None:
        """Send SIGTERM, and go on."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, timeout_s: float = STOP_S) -> int:
        """Wait for the end of the process."""
        return self.process.wait(timeout_s)


def environment(settings: Mapping[str, object], python_path: Sequence[Path] = ()) -> dict[str, str]:
    """This process's environment with these settings of the service, `max_items=8` for LATENT_MAX_ITEMS, alone.

    Modules are looked for in `python_path` first.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENT_")}
    settings = {"cache_dir": Path(tempfile.gettempdir()) / "latent-cache", **settings}
    own = {f"LATENT_{name.upper()}": str(value) for name, value in settings.items()}
    return {**inherited, "PYTHONPATH": os.pathsep.join(map(str, [*python_path, ROOT])), **own}


@contextmanager
def running_server(
    store: Path,
    *,
    ready: int | None = 200,
    python_path: Sequence[Path] = (),
    prefix: Sequence[str] = (),
    **settings: object,
) -> Iterator[RunningServer]:
    """Start the service over `store`, wait until /readyz answers `ready` (None: do not), and always stop it.

    `prefix` is a command that starts it.
    """
    given: dict[str, object] = {"store": store, "port": 0, "log_format": "json", **settings}
    with (
        tempfile.NamedTemporaryFile(suffix=".log") as stderr,
        subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.support.server"],
            cwd=ROOT,
            env=environment(given, python_path),
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        try:
            url = _announced(process, Path(stderr.name))
            with httpx.Client(base_url=url, timeout=ANSWER_S) as http:
                server = RunningServer(url, process, http, stderr)
                if ready is not None:
                    server.wait_for("/readyz", ready)
                yield server
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def _announced(process: subprocess.Popen[bytes], stderr: Path) -> str:
    """The address that the process prints, by number: `localhost` may mean IPv6 first."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_S)
    line = process.stdout.readline().decode().strip() if readable else ""
    assert line.startswith("http://"), stderr.read_text(encoding="utf-8")
    return line.replace("localhost", "127.0.0.1")


if __name__ == "__main__":
    run(Settings(), lambda url: print(url, flush=True))  # noqa: T201 - the starter reads it
