"""Accepting connections: many at once, and with too few file descriptors."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack, closing

import psutil
import pytest

from model_store import ModelStore
from service.server.listener import Listener
from service.workers.connection_counts import ConnectionCounts
from tests.support.raw_http import ANSWER_S, Connection, request
from tests.support.server import RunningServer, running_server

WAITING = 100


@pytest.fixture
def bound() -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
    listening.setblocking(False)
    return listening


def connect(bound: socket.socket, stack: ExitStack) -> None:
    stack.enter_context(Connection(bound.getsockname()[1]))


async def test_many_connections_are_let_in_within_a_few_turns(bound: socket.socket) -> None:
    let_in: list[asyncio.BaseTransport] = []

    class Visitor(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            let_in.append(transport)

    with closing(bound), ExitStack() as stack:
        for _ in range(WAITING):
            connect(bound, stack)
        listener = Listener(bound, Visitor, at_once=40)
        turns, give_up = 0, time.monotonic() + ANSWER_S
        while len(let_in) < WAITING:
            assert time.monotonic() < give_up
            before = len(let_in)
            await asyncio.sleep(0)
            turns += len(let_in) > before
        assert turns < 10
        await listener.close()
        connect(bound, stack)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(let_in) == WAITING


def test_a_process_that_may_open_no_more_files_answers_again_when_it_may(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, load="eager") as server, ExitStack() as stack:
        process = psutil.Process(server.process.pid)
        if not hasattr(process, "rlimit"):
            pytest.skip("only Linux can be told how many files another process may open")
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 8, process.rlimit(psutil.RLIMIT_NOFILE)[1]))
        crowd = [stack.enter_context(server.connect()) for _ in range(30)]
        give_up = time.monotonic() + ANSWER_S
        while "no connection can be accepted" not in server.log_text():
            assert time.monotonic() < give_up
            time.sleep(0.01)
        for connection in crowd:
            connection.close()
        with server.connect() as later:
            later.send(request("/readyz", method="GET", content_type=None))
            assert later.read_answer().status == 200


async def test_who_is_ahead_leaves_a_connection_to_others_but_not_for_ever(bound: socket.socket) -> None:
    let_in: list[asyncio.BaseTransport] = []

    class Ahead(ConnectionCounts):
        asked = 0

        @property
        def is_ahead(self) -> bool:
            self.asked += 1
            return super().is_ahead

    class Visitor(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            let_in.append(transport)

    counts = Ahead([0, 0], 0)
    with closing(bound), ExitStack() as stack:
        for _ in range(5):
            connect(bound, stack)
        listener = Listener(bound, Visitor, 1, counts, held=lambda: 3)
        give_up = time.monotonic() + ANSWER_S
        while len(let_in) < 5:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.001)
        assert counts.asked >= 5, "each time"
        await listener.close()


@pytest.mark.parametrize(
    ("counts", "is_ahead"),
    [([3, 3, 3], False), ([3, 2, 9], True), ([3, 4, 9], False), ([3, -1, -1], False), ([0, 5, 5], False)],
)
def test_who_holds_more_than_another_that_accepts_is_ahead(counts: list[int], is_ahead: bool) -> None:
    assert ConnectionCounts(counts, 0).is_ahead is is_ahead


def held_by_workers(server: RunningServer) -> list[int]:
    """How many connections each worker holds; processes that hold none are left out."""
    workers = psutil.Process(server.process.pid).children()
    held = [sum(one.status == psutil.CONN_ESTABLISHED for one in each.net_connections("tcp")) for each in workers]
    return [count for count in held if count]


def test_workers_share_connections_evenly(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, workers=2, load="eager") as server:
        give_up, held = time.monotonic() + ANSWER_S, [0]
        while len(held) < 2:  # a worker accepts once its models are loaded
            assert time.monotonic() < give_up
            with ExitStack() as stack:
                crowd = [stack.enter_context(server.connect()) for _ in range(40)]
                for connection in crowd:
                    connection.send(request("/livez", method="GET", content_type=None))
                    assert connection.read_answer().status == 200
                held = held_by_workers(server)
        assert min(held) > 1, f"{held}: on an idle machine about 20 each, on a busy one a worker may come late"
