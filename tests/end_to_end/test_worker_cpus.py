"""Workers use every CPU that they may use: no thread is pinned to a part of them."""

from __future__ import annotations

import io
import os
import threading
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from model_store import ModelStore
from tests.end_to_end.test_workers import PATIENCE_S, processes, workers
from tests.support.server import RunningServer

LOOKS = 400
CALLERS = 4
IMAGES = 64

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists() or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux, and two CPUs: a single one cannot be narrowed",
)


def allowed(process: psutil.Process) -> list[str]:
    """`Cpus_allowed_list` of each thread."""
    found = []
    for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
        found.append(lines["Cpus_allowed_list"])
    return found


def keep_asking(server: RunningServer, stop: threading.Event, statuses: Counter[int]) -> None:
    """On one connection, as fast as it answers."""
    body = io.BytesIO()
    np.save(body, np.zeros((IMAGES, 4, 4), np.float32))
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as http:
        while not stop.is_set():
            statuses[http.post("/encode", content=body.getvalue(), headers=headers).status_code] += 1


def test_no_thread_of_a_worker_is_tied_to_fewer_cpus_than_its_process(affine_store: ModelStore) -> None:
    with workers(affine_store) as server:
        given = set(allowed(psutil.Process(server.process.pid)))  # the supervisor, which computes nothing
        found = processes(server)
        stop, statuses = threading.Event(), Counter[int]()
        callers = [
            threading.Thread(target=keep_asking, args=(server, stop, statuses), daemon=True) for _ in range(CALLERS)
        ]
        for caller in callers:
            caller.start()
        masks = Counter(mask for _ in range(LOOKS) for process in found for mask in allowed(process))
        stop.set()
        for caller in callers:
            caller.join()
    assert set(statuses) == {200}
    assert len(given) == 1
    assert set(masks) == given, masks
