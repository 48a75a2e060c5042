"""Connections are let in as they come, however many there are and however little the process may open."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack, closing

import psutil
import pytest

from model_store import ModelStore
from service.server.listener import Listener
from tests.support.raw_http import ANSWER_S, Connection, request
from tests.support.server import running_server

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
