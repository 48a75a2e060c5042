"""How fast `latent serve` is ready, and what it weighs while idle.

    python -m benchmarks.start --store DIR [--runs 5] [--latent PATH]

Starts the service over a store as it is, again and again; prints seconds from the start of the process to the first 200
of /readyz, seconds until the first answered /sample, and the resident memory while idle, each with its spread; beside
them, the start of a bare Python that imports nothing, which is the machine's share. `--latent` names the command of
another environment, such as one without TensorFlow.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

DEADLINE_S = 60.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--latent", type=Path, default=Path(sys.executable).with_name("latent"))
    arguments = parser.parse_args()
    bare: list[float] = []
    served: list[tuple[float, float, float]] = []
    for _ in range(arguments.runs):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", ""], check=True)
        bare.append(time.monotonic() - started)
        served.append(start_once(arguments.latent, arguments.store))
    ready, first, memory = (list(column) for column in zip(*served, strict=True))
    table = Table(title=f"latent serve --store {arguments.store}, {arguments.runs} starts")
    for heading in ("", "least", "median", "most"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("bare Python, s", *_spread(bare))
    table.add_row("ready, s", *_spread(ready))
    table.add_row("first answer, s", *_spread(first))
    table.add_row("resident, MB", *_spread(memory))
    Console().print(table)
    return 0


def start_once(latent: Path, store: Path) -> tuple[float, float, float]:
    """Seconds to ready, seconds to the first answer, resident megabytes while idle."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "LATENT_LOG_LEVEL": "error", "LATENT_PORT": str(port), "LATENT_STORE": str(store)}
    started = time.monotonic()
    process = subprocess.Popen([latent, "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10.0) as client:
            _until(lambda: client.get("/readyz").status_code == 200)
            ready_s = time.monotonic() - started
            client.get("/sample", params={"n": 1}).raise_for_status()
            first_s = time.monotonic() - started
        return ready_s, first_s, psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait()


def _until(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while time.monotonic() < give_up:
        try:
            if done():
                return
        except httpx.ConnectError:
            pass  # the port is not bound yet
        time.sleep(0.01)
    raise SystemExit(f"the service was not ready after {DEADLINE_S:g} s")


def _spread(values: list[float]) -> tuple[str, str, str]:
    return f"{min(values):.2f}", f"{statistics.median(values):.2f}", f"{max(values):.2f}"


if __name__ == "__main__":
    sys.exit(main())
