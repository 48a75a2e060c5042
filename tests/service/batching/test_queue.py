"""The real queue over a numpy function: order, failures, deadlines, and an answer for every caller."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.arrays import Float32
from service.batching import (
    Answer,
    Batcher,
    BatchFailed,
    CostCurve,
    EngineThreadLost,
    EngineWorker,
    Piece,
    QueueClosed,
    QueueFull,
)
from service.batching.program import bucket_sizes

LONG_S, FREE_S = 60.0, 10.0
POISON = -1.0
THREAD, INLINE = 0.0, 3600.0


class Doubling:
    """y = 2 x, in batches that are written down; waits while `gate` is shut, and fails on POISON."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.gate, self.running = threading.Event(), threading.Event()
        self.gate.set()
        self.error: type[BaseException] = ArithmeticError

    def __call__(self, pieces: Sequence[Piece]) -> dict[str, Float32]:
        x = np.concatenate([rows["x"][start:stop] for rows, start, stop in pieces])
        self.batches.append(x[:, 0].tolist())
        self.running.set()
        assert self.gate.wait(LONG_S)
        if (x == POISON).any():
            raise self.error("poison")
        return {"y": 2 * x}


def costs(max_items: int) -> CostCurve:
    """Every batch is as dear as another, up to so many items."""
    sizes = bucket_sizes(max_items)
    return CostCurve(sizes, (0.001,) * len(sizes))


@pytest.fixture
def worker() -> Iterator[EngineWorker]:
    made = EngineWorker()
    yield made
    made.close()


@pytest.fixture
def engine() -> Doubling:
    return Doubling()


@pytest.fixture
async def batcher(worker: EngineWorker, engine: Doubling) -> AsyncIterator[Batcher]:
    made = Batcher(engine, worker, costs(8), queue_items=20, inline_s=THREAD)
    yield made
    engine.gate.set()
    await made.close()


async def ask(batcher: Batcher, values: Sequence[float], timeout_s: float = LONG_S) -> Answer:
    """As a caller does: wait, and say so when leaving."""
    rows = np.array(values, np.float32)[:, None]
    job = batcher.submit({"x": rows}, time.monotonic() + timeout_s)
    try:
        return await job.answer
    except asyncio.CancelledError:
        batcher.forget(job)
        raise


def job(batcher: Batcher, *values: float, timeout_s: float = LONG_S) -> asyncio.Task[Answer]:
    return asyncio.create_task(ask(batcher, values, timeout_s))


async def busy(batcher: Batcher, engine: Doubling) -> asyncio.Task[Answer]:
    """Occupy the engine until its gate opens."""
    engine.gate.clear()
    first = job(batcher, 1000)
    await asyncio.to_thread(engine.running.wait)
    return first


async def turns() -> None:
    """So many turns of the loop that whatever is ready to run has run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def queued(batcher: Batcher, items: int) -> None:
    """Let every new job take its place: one turn of the loop."""
    await asyncio.sleep(0)
    assert batcher.waiting_items == items


def values(answer: Answer) -> list[float]:
    return [float(value) for value in answer.rows["y"][:, 0]]


async def test_an_idle_engine_runs_at_once_what_is_there(batcher: Batcher, engine: Doubling) -> None:
    answer = await job(batcher, 1, 2, 3)
    assert values(answer) == [2, 4, 6]
    assert engine.batches == [[1, 2, 3]]
    assert answer.batch_items == 3


async def test_what_gathers_while_the_engine_is_busy_leaves_together(batcher: Batcher, engine: Doubling) -> None:
    first = await busy(batcher, engine)
    jobs = [job(batcher, 1, 2), job(batcher, 3), job(batcher, 4, 5, 6)]
    await queued(batcher, 6)
    engine.gate.set()
    assert [values(answer) for answer in await asyncio.gather(*jobs)] == [[2, 4], [6], [8, 10, 12]]
    assert engine.batches == [[1000], [1, 2, 3, 4, 5, 6]]
    assert jobs[1].result().batch_items == 6
    assert values(await first) == [2000]


async def test_a_batch_is_no_larger_than_allowed_and_keeps_the_order(batcher: Batcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    jobs = [job(batcher, *[10 * i + j for j in range(5)]) for i in range(4)]
    await queued(batcher, 20)
    engine.gate.set()
    for i, answer in enumerate(await asyncio.gather(*jobs)):
        assert values(answer) == [2 * (10 * i + j) for j in range(5)]
    assert [len(batch) for batch in engine.batches] == [1, 5, 5, 5, 5]


async def test_all_that_waits_is_run_in_one_turn_of_the_loop(worker: EngineWorker, engine: Doubling) -> None:
    batcher = Batcher(engine, worker, costs(8), queue_items=100, inline_s=INLINE)
    jobs = [batcher.submit({"x": np.full((1, 1), value, np.float32)}, time.monotonic() + LONG_S) for value in range(20)]
    await asyncio.sleep(0)
    assert [len(batch) for batch in engine.batches] == [8, 8, 4]
    assert all(job.answer.done() for job in jobs)
    await batcher.close()


async def test_a_job_larger_than_a_batch_is_split_and_put_together_again(batcher: Batcher, engine: Doubling) -> None:
    answer = await job(batcher, *range(30))
    assert values(answer) == [2.0 * i for i in range(30)]
    assert [len(batch) for batch in engine.batches] == [8, 8, 8, 6]
    assert answer.batch_items == 6


async def test_a_large_job_takes_turns_with_small_ones(batcher: Batcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    large = job(batcher, *range(18))
    await asyncio.sleep(0)
    small = job(batcher, 100)
    await queued(batcher, 19)
    engine.gate.set()
    assert values(await small) == [200]
    assert values(await large) == [2.0 * i for i in range(18)]
    assert engine.batches[1:] == [[*range(8)], [100, *range(8, 15)], [15, 16, 17]]


@pytest.mark.parametrize("inline_s", [THREAD, INLINE])
async def test_three_hundred_callers_at_once_get_their_own_rows(
    worker: EngineWorker, engine: Doubling, inline_s: float
) -> None:
    batcher = Batcher(engine, worker, costs(64), queue_items=10_000, inline_s=inline_s)
    jobs = [job(batcher, *range(i, i + i % 7 + 1)) for i in range(300)]
    for i, answer in enumerate(await asyncio.gather(*jobs)):
        assert values(answer) == [2.0 * j for j in range(i, i + i % 7 + 1)]
    assert sum(map(len, engine.batches)) == sum(i % 7 + 1 for i in range(300))
    assert max(map(len, engine.batches)) <= 64
    assert batcher.waiting_items == 0
    await batcher.close()


async def test_one_job_that_fails_does_not_touch_its_neighbours(batcher: Batcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    jobs = [job(batcher, 1), job(batcher, 2, POISON), job(batcher, 3)]
    await queued(batcher, 4)
    engine.gate.set()
    good, bad, other = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(good, Answer)
    assert isinstance(other, Answer)
    assert (values(good), values(other)) == ([2], [6])
    assert isinstance(bad, BatchFailed)
    assert "poison" not in str(bad)
    assert isinstance(bad.__cause__, ArithmeticError)


@pytest.mark.parametrize(
    ("inline_s", "kind"),
    [(THREAD, ArithmeticError), (INLINE, ArithmeticError), (THREAD, SystemExit)],
    ids=["thread", "inline", "lost thread"],
)
@pytest.mark.parametrize("count", [1, 20], ids=["one batch", "three batches"])
async def test_a_failure_keeps_no_rows(
    worker: EngineWorker, engine: Doubling, inline_s: float, count: int, kind: type[BaseException]
) -> None:
    """Its traceback leads to the batch: the rows must not have to wait for the garbage collector."""
    batcher = Batcher(engine, worker, costs(8), queue_items=100, inline_s=inline_s)
    engine.error = kind
    kept: list[weakref.ref[Float32]] = []

    async def fail() -> None:
        rows = np.full((count, 1), POISON, np.float32)
        kept.append(weakref.ref(rows))
        job = batcher.submit({"x": rows}, time.monotonic() + LONG_S)
        try:
            await job.answer
        except (BatchFailed, EngineThreadLost):
            return
        finally:
            del job  # it has the error, whose traceback has this frame
        pytest.fail("there is an answer")

    gc.disable()
    try:
        await asyncio.gather(*[fail() for _ in range(3)])
        await batcher.close()
        async with asyncio.timeout(FREE_S):
            while any(rows() is not None for rows in kept):  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # the thread may be just about to let go
    finally:
        gc.enable()


async def test_the_worker_outlives_every_failure(batcher: Batcher) -> None:
    for _ in range(5):
        with pytest.raises(BatchFailed):
            await job(batcher, POISON)
    assert values(await job(batcher, 4)) == [8]


async def test_a_thread_that_is_lost_is_an_error_for_all_who_wait_and_comes_back(
    batcher: Batcher, worker: EngineWorker, engine: Doubling
) -> None:
    engine.error = SystemExit
    engine.gate.clear()
    last = job(batcher, POISON)
    await asyncio.to_thread(engine.running.wait)
    waiting = [job(batcher, i) for i in range(3)]
    await queued(batcher, 3)
    engine.gate.set()
    for answer in await asyncio.gather(last, *waiting, return_exceptions=True):
        assert isinstance(answer, EngineThreadLost)
    assert batcher.waiting_items == 0
    assert values(await job(batcher, 4)) == [8]
    assert worker.alive


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=25),
    max_items=st.integers(1, 16),
    inline_s=st.sampled_from([THREAD, INLINE]),
    bad=st.sets(st.integers(0, 24), max_size=2),
)
def test_any_mix_of_jobs_is_answered_as_if_each_were_alone(
    sizes: list[int], max_items: int, inline_s: float, bad: set[int]
) -> None:
    async def all_at_once() -> list[Answer | BaseException]:
        worker, engine = EngineWorker(), Doubling()
        batcher = Batcher(engine, worker, costs(max_items), queue_items=10_000, inline_s=inline_s)
        jobs = [job(batcher, *([POISON] * size if i in bad else range(i, i + size))) for i, size in enumerate(sizes)]
        answers = await asyncio.gather(*jobs, return_exceptions=True)
        assert (batcher.waiting_items, batcher.idle) == (0, True)
        assert max(map(len, engine.batches)) <= max_items
        await batcher.close()
        worker.close()
        return list(answers)

    for i, (size, answer) in enumerate(zip(sizes, asyncio.run(all_at_once()), strict=True)):
        if i in bad:
            assert isinstance(answer, BatchFailed)
        else:
            assert isinstance(answer, Answer)
            assert values(answer) == [2.0 * j for j in range(i, i + size)]


async def test_who_is_too_late_in_the_queue_is_not_computed_for(batcher: Batcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    late = job(batcher, 7, timeout_s=-1)
    await queued(batcher, 1)
    engine.gate.set()
    assert values(await job(batcher, 8)) == [16]
    assert [7.0] not in engine.batches
    assert (late.done(), batcher.waiting_items) == (False, 0)
    late.cancel()


async def test_a_batch_stays_small_where_a_larger_one_would_be_too_late_for_a_member(
    worker: EngineWorker, engine: Doubling
) -> None:
    slow = CostCurve((1, 2, 4, 8), (1.0, 2.0, 3.0, 10 * LONG_S))
    batcher = Batcher(engine, worker, slow, queue_items=20, inline_s=THREAD)
    await busy(batcher, engine)
    jobs = [job(batcher, 1), *(job(batcher, i, timeout_s=100 * LONG_S) for i in range(2, 8))]
    await queued(batcher, 7)
    engine.gate.set()
    assert [values(answer) for answer in await asyncio.gather(*jobs)] == [[2.0 * i] for i in range(1, 8)]
    assert [len(batch) for batch in engine.batches] == [1, 4, 3]
    await batcher.close()


async def test_a_full_queue_refuses_at_once(batcher: Batcher, engine: Doubling) -> None:
    await busy(batcher, engine)
    waiting = [job(batcher, *range(5)) for _ in range(4)]
    await queued(batcher, 20)
    with pytest.raises(QueueFull):
        await job(batcher, *range(5))
    with pytest.raises(QueueFull):
        batcher.check_room(5)
    engine.gate.set()
    assert len(await asyncio.gather(*waiting)) == 4
    assert values(await job(batcher, 1)) == [2]


async def test_a_full_queue_takes_jobs_up_to_an_equal_share_and_twice_its_size_at_most(
    batcher: Batcher, engine: Doubling
) -> None:
    await busy(batcher, engine)
    jobs = [job(batcher, *range(20))]
    await queued(batcher, 20)
    with pytest.raises(QueueFull):
        await job(batcher, *range(11))
    jobs += [job(batcher, *range(10))]
    await queued(batcher, 30)
    jobs += [job(batcher, *range(6))]
    await queued(batcher, 36)
    jobs += [job(batcher, *range(4))]
    await queued(batcher, 40)
    with pytest.raises(QueueFull):
        await job(batcher, 1)
    engine.gate.set()
    assert list(map(len, map(values, await asyncio.gather(*jobs)))) == [20, 10, 6, 4]
    await batcher.close()


async def test_one_job_larger_than_the_queue_is_taken_when_nothing_waits(batcher: Batcher) -> None:
    batcher.check_room()
    assert len(values(await job(batcher, *range(100)))) == 100


async def test_small_batches_run_in_the_event_loop(worker: EngineWorker, engine: Doubling) -> None:
    threads: set[int] = set()

    def run(pieces: Sequence[Piece]) -> dict[str, Float32]:
        threads.add(threading.get_ident())
        return engine(pieces)

    batcher = Batcher(run, worker, costs(8), queue_items=20, inline_s=INLINE)
    jobs = [job(batcher, i) for i in range(3)]
    assert [values(answer) for answer in await asyncio.gather(*jobs)] == [[0], [2], [4]]
    assert engine.batches == [[0, 1, 2]]
    assert threads == {threading.get_ident()}


async def test_a_caller_that_leaves_is_not_computed_for_and_frees_its_place(batcher: Batcher, engine: Doubling) -> None:
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


async def test_closing_answers_everyone(batcher: Batcher, engine: Doubling) -> None:
    running = await busy(batcher, engine)
    waiting = [job(batcher, i) for i in range(5)]
    await queued(batcher, 5)
    closing = asyncio.create_task(batcher.close())
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(answer, QueueClosed)
    engine.gate.set()
    assert values(await running) == [2000]
    await closing
    assert engine.batches == [[1000]]
    with pytest.raises(QueueClosed):
        await job(batcher, 1)


async def test_closing_what_never_ran(worker: EngineWorker, engine: Doubling) -> None:
    await Batcher(engine, worker, costs(8), queue_items=20, inline_s=THREAD).close()
    assert engine.batches == []


async def test_the_wait_and_the_call_are_measured(worker: EngineWorker, engine: Doubling) -> None:
    seen: list[tuple[float, int]] = []
    batcher = Batcher(
        engine,
        worker,
        costs(8),
        queue_items=20,
        inline_s=THREAD,
        observe=lambda seconds, rows: seen.append((seconds, rows)),
    )
    await busy(batcher, engine)
    second = job(batcher, 1, 2)
    await queued(batcher, 2)
    engine.gate.set()
    answer = await second
    await batcher.close()
    assert [rows for _, rows in seen] == [1, 2]
    assert answer.infer_s == seen[1][0]
    assert 0 < answer.queue_s < LONG_S
    assert 0 < answer.infer_s < LONG_S


async def test_costs_are_measured_between_requests(batcher: Batcher, engine: Doubling) -> None:
    timed: list[int] = []

    def seconds_of(size: int) -> float:
        timed.append(size)
        return {1: 0.5, 2: 0.25, 4: 2.0, 8: 1.0}[size] / len(timed)

    first = await busy(batcher, engine)
    measuring = asyncio.create_task(batcher.calibrate(seconds_of))
    await asyncio.sleep(0)
    assert timed == []
    engine.gate.set()
    assert values(await first) == [2000]
    curve = await measuring
    assert curve is not None
    assert curve.sizes == (1, 2, 4, 8)
    assert curve.seconds == pytest.approx((0.1, 0.025, 2 / 15, 0.05))
    assert batcher.costs is curve
    assert timed == sorted(5 * [1, 2, 4, 8])
    assert values(await job(batcher, 3)) == [6]


async def test_costs_of_a_closed_queue_are_not_measured(batcher: Batcher) -> None:
    await batcher.close()
    assert await batcher.calibrate(lambda _: 1.0) is None


async def test_a_job_that_comes_while_costs_are_measured_runs_afterwards(worker: EngineWorker) -> None:
    inside, met = threading.Event(), []
    begun, end = threading.Semaphore(0), threading.Semaphore(0)
    measurements = 4 * 5  # of each size

    def run(pieces: Sequence[Piece]) -> dict[str, Float32]:
        met.append(inside.is_set())
        return {"y": np.concatenate([rows["x"][start:stop] for rows, start, stop in pieces])}

    def seconds_of(size: int) -> float:
        inside.set()
        begun.release()
        assert end.acquire(timeout=LONG_S)
        inside.clear()
        return float(size)

    batcher = Batcher(run, worker, costs(8), queue_items=100, inline_s=INLINE)
    measuring = asyncio.create_task(batcher.calibrate(seconds_of))
    for _ in range(measurements):
        assert await asyncio.to_thread(begun.acquire, timeout=LONG_S)
        waiting = job(batcher, 1, 2)
        await turns()
        end.release()
        assert len((await waiting).rows["y"]) == 2
    assert met == [False] * measurements
    assert (await measuring) is batcher.costs
    await batcher.close()


async def test_a_measurement_that_is_given_up_keeps_the_engine_until_it_is_through(
    batcher: Batcher, engine: Doubling
) -> None:
    inside, leave = threading.Event(), threading.Event()

    def seconds_of(_size: int) -> float:
        inside.set()
        assert leave.wait(LONG_S)
        inside.clear()
        return 1.0

    measuring = asyncio.create_task(batcher.calibrate(seconds_of))
    assert await asyncio.to_thread(inside.wait, LONG_S)
    measuring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await measuring
    waiting = job(batcher, 3)
    await turns()
    assert engine.batches == []
    leave.set()
    assert values(await waiting) == [6]
    assert not inside.is_set()
