"""One client with many connections and large requests does not shut out another one."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from model_store import ModelStore
from tests.service.conftest import BOTH_WAYS
from tests.support.server import RunningServer, running_server

CONNECTIONS = 24
ITEMS = 64
REQUESTS = 60


@pytest.fixture(scope="module", params=BOTH_WAYS)
def small_queue(request: pytest.FixtureRequest, affine_store: ModelStore) -> Iterator[RunningServer]:
    """A service whose queue is full with one request of the greedy client."""
    with running_server(
        affine_store.path, engine="openvino", fast_path=request.param, queue_items=ITEMS, model="image"
    ) as server:
        yield server


def npy(n: int) -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros((n, 2), np.float32))
    return content.getvalue()


def test_single_requests_are_answered_beside_a_greedy_client(small_queue: RunningServer) -> None:
    stop, begun = threading.Event(), threading.Barrier(CONNECTIONS + 1)
    statuses: Counter[int] = Counter()
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}

    def greedy() -> Counter[int]:
        found: Counter[int] = Counter()
        with httpx.Client(base_url=small_queue.url, timeout=60) as client:
            begun.wait()
            while not stop.is_set():
                found[client.post("/decode", content=npy(ITEMS), headers=headers).status_code] += 1
        return found

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(greedy) for _ in range(CONNECTIONS)]
        begun.wait()
        try:
            for _ in range(REQUESTS):
                statuses[small_queue.http.post("/decode", content=npy(1), headers=headers).status_code] += 1
        finally:
            stop.set()
    assert statuses == {200: REQUESTS}
    total = sum((one.result() for one in running), Counter())
    assert total[200] > 0
    assert set(total) <= {200, 503}
