"""The real queue over a numpy function: order, failures, deadlines, and an answer for every caller."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from service.batching import Answer, MicroBatcher, Rows
from service.errors import DeadlineExceeded, EngineFailure, Overloaded, ShuttingDown

Float32 = NDArray[np.float32]
LONG_S = 30.0
POISON = -1.0


class Doubling:
    """y = 2 x, in batches that are written down; waits while `gate` is shut, and fails on POISON."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.gate, self.running = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, rows: Rows) -> dict[str, Float32]:
        self.batches.append(rows["x"][:, 0].tolist())
        self.running.set()
        assert self.gate.wait(LONG_S)
        if (rows["x"] == POISON).any():
            raise ArithmeticError("poison")
        return {"y": 2 * rows["x"]}


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def engine() -> Doubling:
    return Doubling()


@pytest.fixture
async def batcher(executor: Executor, engine: Doubling) -> AsyncIterator[MicroBatcher]:
    made = MicroBatcher(engine, executor, max_items=8, queue_items=20)
    yield made
    engine.gate.set()
    await made.close()


def job(batcher: MicroBatcher, *values: float, timeout_s: float = LONG_S) -> asyncio.Task[Answer]:
    rows = np.array(values, np.float32)[:, None]
    return asyncio.create_task(batcher.submit({"x": rows}, time.monotonic() + timeout_s))


async def busy(batcher: MicroBatcher, engine: Doubling) -> asyncio.Task[Answer]:
    """Occupy the engine until its gate opens."""
    engine.gate.clear()
    first = job(batcher, 1000)
    await asyncio.to_thread(engine.running.wait)
    return first


async def queued(batcher: MicroBatcher, items: int) -> None:
    """Let every new job take its place: one turn of the loop."""
    await asyncio.sleep(0)
    assert batcher.waiting_items == items


def values(answer: Answer) -> list[float]:
    return [float(value) for value in answer.rows["y"][:, 0]]


async def test_an_idle_engine_runs_at_once_what_is_there(batcher: MicroBatcher, engine: Doubling) -> None:
    answer = await job(batcher, 1, 2, 3)
    assert values(answer) == [2, 4, 6]
    assert engine.batches == [[1, 2, 3]]
    assert answer.batch_items == 3


async def test_what_gathers_while_the_engine_is_busy_leaves_together(batcher: MicroBatcher, engine: Doubling) -> None:
    first = await busy(batcher, engine)
    jobs = [job(batcher, 1, 2), job(batcher, 3), job(batcher, 4, 5, 6)]
    await queued(batcher, 6)
    engine.gate.set()
    assert [values(answer) for answer in await asyncio.gather(*jobs)] == [[2, 4], [6], [8, 10, 12]]
    assert engine.batches == [[1000], [1, 2, 3, 4, 5, 6]]
    assert jobs[1].result().batch_items == 6
    assert values(await first) == [2000]


async def test_a_batch_is_no_larger_than_allowed_and_keeps_the_order(batcher: MicroBatcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    jobs = [job(batcher, *[10 * i + j for j in range(5)]) for i in range(4)]
    await queued(batcher, 20)
    engine.gate.set()
    for i, answer in enumerate(await asyncio.gather(*jobs)):
        assert values(answer) == [2 * (10 * i + j) for j in range(5)]
    assert [len(batch) for batch in engine.batches] == [1, 5, 5, 5, 5]


async def test_a_job_larger_than_a_batch_is_run_by_itself(batcher: MicroBatcher, engine: Doubling) -> None:
    assert values(await job(batcher, *range(30))) == [2.0 * i for i in range(30)]
    assert [len(batch) for batch in engine.batches] == [30]


async def test_three_hundred_callers_at_once_get_their_own_rows(executor: Executor, engine: Doubling) -> None:
    batcher = MicroBatcher(engine, executor, max_items=64, queue_items=10_000)
    jobs = [job(batcher, *range(i, i + i % 7 + 1)) for i in range(300)]
    for i, answer in enumerate(await asyncio.gather(*jobs)):
        assert values(answer) == [2.0 * j for j in range(i, i + i % 7 + 1)]
    assert sum(map(len, engine.batches)) == sum(i % 7 + 1 for i in range(300))
    assert max(map(len, engine.batches)) <= 64
    assert batcher.waiting_items == 0
    await batcher.close()


async def test_one_job_that_fails_does_not_touch_its_neighbours(batcher: MicroBatcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    jobs = [job(batcher, 1), job(batcher, 2, POISON), job(batcher, 3)]
    await queued(batcher, 4)
    engine.gate.set()
    good, bad, other = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(good, Answer)
    assert isinstance(other, Answer)
    assert (values(good), values(other)) == ([2], [6])
    assert isinstance(bad, EngineFailure)
    assert bad.status == 500
    assert "poison" not in bad.detail
    assert isinstance(bad.__cause__, ArithmeticError)


async def test_the_worker_outlives_every_failure(batcher: MicroBatcher) -> None:
    for _ in range(5):
        with pytest.raises(EngineFailure):
            await job(batcher, POISON)
    assert values(await job(batcher, 4)) == [8]


async def test_an_engine_that_loses_rows_is_an_error_of_all_of_them(executor: Executor) -> None:
    batcher = MicroBatcher(lambda rows: {"y": rows["x"][:-1]}, executor, max_items=8, queue_items=20)
    with pytest.raises(EngineFailure):
        await job(batcher, 1, 2)
    await batcher.close()


async def test_a_deadline_in_the_queue_is_kept_and_nothing_is_computed(batcher: MicroBatcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    late = job(batcher, 7, timeout_s=0.02)
    with pytest.raises(DeadlineExceeded):
        await late
    engine.gate.set()
    assert values(await job(batcher, 8)) == [16]
    assert [7.0] not in engine.batches


async def test_a_deadline_while_the_engine_runs_is_kept(batcher: MicroBatcher, engine: Doubling) -> None:
    engine.gate.clear()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await job(batcher, 7, timeout_s=0.05)
    assert time.monotonic() - started < LONG_S / 2
    engine.gate.set()
    assert values(await job(batcher, 8)) == [16]


async def test_a_deadline_that_has_passed_already(batcher: MicroBatcher, engine: Doubling) -> None:
    with pytest.raises(DeadlineExceeded):
        await job(batcher, 7, timeout_s=-1)
    assert values(await job(batcher, 8)) == [16]
    assert engine.batches[-1] == [8]


async def test_a_full_queue_refuses_at_once(batcher: MicroBatcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    waiting = [job(batcher, *range(5)) for _ in range(4)]
    await queued(batcher, 20)
    with pytest.raises(Overloaded) as refused:
        await job(batcher, 1)
    assert refused.value.headers == {"Retry-After": "1"}
    engine.gate.set()
    assert len(await asyncio.gather(*waiting)) == 4
    assert values(await job(batcher, 1)) == [2]


async def test_one_job_larger_than_the_queue_is_taken_when_nothing_waits(batcher: MicroBatcher) -> None:
    assert len(values(await job(batcher, *range(100)))) == 100


async def test_a_caller_that_leaves_is_not_computed_for_and_frees_its_place(
    batcher: MicroBatcher, engine: Doubling
) -> None:
    await busy(batcher, engine)
    gone = job(batcher, *range(20))
    await queued(batcher, 20)
    gone.cancel()
    await asyncio.wait([gone])
    assert batcher.waiting_items == 0
    stays = job(batcher, 3)
    await queued(batcher, 1)
    engine.gate.set()
    assert values(await stays) == [6]
    assert engine.batches == [[1000], [3]]


async def test_closing_answers_everyone(batcher: MicroBatcher, engine: Doubling) -> None:
    running = await busy(batcher, engine)
    waiting = [job(batcher, i) for i in range(5)]
    await queued(batcher, 5)
    closing = asyncio.create_task(batcher.close())
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(answer, ShuttingDown)
    engine.gate.set()
    assert values(await running) == [2000]
    await closing
    assert engine.batches == [[1000]]
    with pytest.raises(ShuttingDown):
        await job(batcher, 1)


async def test_closing_what_never_ran(executor: Executor, engine: Doubling) -> None:
    await MicroBatcher(engine, executor, max_items=8, queue_items=20).close()
    assert engine.batches == []


async def test_the_wait_and_the_call_are_measured(executor: Executor, engine: Doubling) -> None:
    seen: list[Answer] = []
    batcher = MicroBatcher(engine, executor, max_items=8, queue_items=20, observe=seen.append)
    await busy(batcher, engine)
    second = job(batcher, 1)
    await queued(batcher, 1)
    engine.gate.set()
    answer = await second
    await batcher.close()
    assert [entry.batch_items for entry in seen] == [1, 1]
    assert seen[1] is answer
    assert 0 < answer.queue_s < LONG_S
    assert 0 < answer.infer_s < LONG_S
