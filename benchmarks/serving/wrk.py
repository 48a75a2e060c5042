"""Drives a server with wrk (https://github.com/wg/wrk), a closed loop: each connection has one request in flight.

wrk's latencies are corrected for coordinated omission: an answer that took far longer than usual also counts for the
requests that its connection would have sent meanwhile.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.errors import BenchError

MISSING = "wrk is missing, which drives the load: apt-get install wrk (Debian's package of that name)"
PATIENCE_S = 10
_MARK = "summary of the run: "
_DONE = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n%s{"requests": %%d, "duration_us": %%d, "p50_us": %%d, "p99_us": %%d, "max_us": %%d, "not_2xx": %%d, '
    .. '"socket_errors": %%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Shot:
    """A POST request that is sent again and again."""

    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Load:
    """The result of one run of wrk."""

    requests: int
    """Number of answered requests, with any status."""
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    """Number of answers with a status of 400 or above."""
    socket_errors: int
    """Number of refused or lost connections, failed reads and writes, and answers that took over PATIENCE_S."""

    @property
    def per_second(self) -> float:
        """Successful answers a second."""
        return (self.requests - self.refused) / self.seconds

    def require_good(self, what: str) -> None:
        """Raise BenchError where any answer was an error or missing."""
        if self.refused or self.socket_errors or not self.requests:
            raise BenchError(
                f"{what}: {self.refused} of {self.requests} answers were no 2xx, {self.socket_errors} socket errors"
            )


def require_wrk() -> None:
    """Raise BenchError where wrk is not installed."""
    if shutil.which("wrk") is None:
        raise BenchError(MISSING)


def drive(url: str, shot: Shot, *, connections: int, seconds: int, threads: int = 1) -> Load:
    """Send `shot` for `seconds`, with the connections divided among threads. Raises BenchError where wrk is missing or
    fails."""
    require_wrk()
    with tempfile.TemporaryDirectory() as directory:
        body, lua = Path(directory, "body"), Path(directory, "shot.lua")
        body.write_bytes(shot.body)
        lua.write_text(script(shot, body), encoding="utf-8")
        options = [f"-t{threads} -c{connections} -d{seconds}s --timeout {PATIENCE_S}s -s", str(lua), url]
        done = subprocess.run(["wrk", *options[0].split(), *options[1:]], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"wrk failed: {' '.join((done.stderr or done.stdout).split())[:200]}")
    return parse(done.stdout)


def script(shot: Shot, body: Path) -> str:
    """The Lua script that makes wrk send `shot`, with its body from a file, and print the results."""
    lines = ['wrk.method = "POST"', f"wrk.path = {json.dumps(shot.path)}"]
    lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in shot.headers.items()]
    lines += [
        f'local file = assert(io.open({json.dumps(str(body))}, "rb"))',
        'wrk.body = file:read("*all")',
        "file:close()",
    ]
    return "\n".join(lines) + "\n" + _DONE % _MARK


def parse(output: str) -> Load:
    """Parse the output of the Lua script. Raises BenchError where it is missing."""
    for line in output.splitlines():
        if line.startswith(_MARK):
            told = json.loads(line.removeprefix(_MARK))
            return Load(
                requests=told["requests"],
                seconds=told["duration_us"] / 1e6,
                p50_ms=told["p50_us"] / 1e3,
                p99_ms=told["p99_us"] / 1e3,
                max_ms=told["max_us"] / 1e3,
                refused=told["not_2xx"],
                socket_errors=told["socket_errors"],
            )
    raise BenchError(f"wrk said nothing of its run: {' '.join(output.split())[:200]}")
