"""Pools: bounded, first in first out, and work that nobody waits for stops."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from service.limits import Abandoned, Pool, PoolFull, Work

LONG_S = 30.0


class Gate:
    """Calls that wait in their thread until the gate is opened."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, work: Work) -> str:
        del work
        self.begun.release()
        assert self.opened.wait(LONG_S)
        return "done"

    async def wait_for_begin(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=LONG_S)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_a_full_pool_refuses_and_nothing_is_begun() -> None:
    pool, gate = Pool("test", threads=1, max_waiting=2), Gate()
    running = [asyncio.create_task(pool.run(gate, math.inf)) for _ in range(3)]
    await gate.wait_for_begin()
    await until(lambda: pool.waiting == 2)
    with pytest.raises(PoolFull, match="pool of test"):
        await pool.run(gate, math.inf)
    gate.opened.set()
    assert await asyncio.gather(*running) == ["done"] * 3
    await until(lambda: pool.running == 0)
    assert await pool.run(gate, math.inf) == "done"


async def test_a_caller_that_leaves_the_queue_frees_its_place_and_its_work_never_begins() -> None:
    pool, gate, calls = Pool("test", threads=1, max_waiting=1), Gate(), []
    first = asyncio.create_task(pool.run(gate, math.inf))
    await gate.wait_for_begin()
    second = asyncio.create_task(pool.run(lambda _: calls.append("second"), math.inf))
    await until(lambda: pool.waiting == 1)
    second.cancel()
    await until(lambda: pool.waiting == 0)
    third = asyncio.create_task(pool.run(lambda _: calls.append("third"), math.inf))
    gate.opened.set()
    await asyncio.gather(first, third)
    assert calls == ["third"]


@pytest.mark.parametrize("why", ["the caller has left", "the deadline has passed"])
async def test_running_work_that_nobody_waits_for_stops_at_its_next_check(why: str) -> None:
    pool, begun, ended = Pool("test", threads=1), threading.Event(), threading.Event()

    def endless(work: Work) -> None:
        begun.set()
        try:
            while True:
                work.check()
                time.sleep(0.001)
        finally:
            ended.set()

    leaves = why == "the caller has left"
    task = asyncio.create_task(pool.run(endless, math.inf if leaves else time.monotonic() + 0.05))
    assert await asyncio.to_thread(begun.wait, LONG_S)
    if leaves:
        task.cancel()
    with pytest.raises(asyncio.CancelledError if leaves else Abandoned):
        await task
    assert await asyncio.to_thread(ended.wait, LONG_S)
    assert await pool.run(lambda _: "free", math.inf) == "free"


async def test_errors_reach_the_caller_and_hold_nothing() -> None:
    class Body:
        pass

    pool, body = Pool("test", threads=1), Body()
    gone = weakref.ref(body)

    def fail(work: Work, held: Body = body) -> None:
        del work
        raise ValueError(f"of {type(held).__name__}")

    gc.disable()
    try:
        with pytest.raises(ValueError, match="of Body"):
            await pool.run(fail, math.inf)
        del fail, body
        await until(lambda: pool.running == 0)
        await until(lambda: gone() is None)
    finally:
        gc.enable()


async def test_another_pool_goes_on() -> None:
    full, other, gate = Pool("full", threads=1), Pool("other", threads=1), Gate()
    held = asyncio.create_task(full.run(gate, math.inf))
    await gate.wait_for_begin()
    assert await other.run(lambda _: threading.current_thread().name.startswith("latent-other"), math.inf)
    gate.opened.set()
    await held
