"""Continuous batching: an idle engine starts at once; requests that arrive while it is busy form the next batch.

All requests that are read in one turn of the event loop go into one engine call. No request waits for others to come.
A batch takes no more rows where throughput would not grow, or where a job would miss its deadline. A job with more rows
than one batch is split into several, in turn with other jobs. Every accepted job gets exactly one answer: its rows or
an error. A failed batch is run again job by job, so that the failure of one job never touches another.

Short batches run in the event loop: a thread would cost more than the batch itself.

Knows nothing of HTTP or of a runtime: it is given a function from rows to rows, the function's costs, and a thread.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from service.batching.costs import CostCurve
from service.batching.errors import BatchFailed, BatchingError, EngineThreadLost, QueueClosed, QueueFull
from service.batching.program import Piece, Rows
from service.batching.worker import EngineWorker, WorkerLost

Run = Callable[[Sequence[Piece]], dict[str, NDArray[np.float32]]]


@dataclass(slots=True)
class Answer:
    """The result of a job: its output rows and timings."""

    rows: dict[str, Float32]
    """Output arrays (n, …) by name."""
    finite: bool
    """Whether all numbers of the job's batches are finite; if not, the fault may be in another job's rows."""
    queue_s: float
    infer_s: float
    """Seconds of all batches that the job was part of, each counted whole."""
    batch_items: int
    """Number of rows in the job's last batch."""


@dataclass(eq=False, slots=True)
class Job:
    """The rows of one caller in the queue, and the future for their answer."""

    rows: Rows
    count: int
    deadline: float
    """A time of time.monotonic."""
    answer: asyncio.Future[Answer]
    queued_at: float
    taken: int = 0
    """Number of rows that are in a batch, or done."""
    alone: bool = False
    """True after a batch with this job failed: the job is then run in a batch of its own."""
    whole: dict[str, Float32] = field(default_factory=dict)
    """Outputs of all rows, filled batch by batch, where the job has several."""
    finite: bool = True
    queue_s: float = 0.0
    infer_s: float = 0.0


class Share(NamedTuple):
    """Rows `start` to `stop` of a job, as part of a batch."""

    job: Job
    start: int
    stop: int


class Outputs(NamedTuple):
    """The engine's output for a batch, and whether all its numbers are finite."""

    rows: dict[str, Float32]
    finite: bool


_REPEATS = 5
_TURN_S = 0.01
"""Seconds of engine calls in one turn of the event loop; a longer batch is not cut, but is then the turn's only one."""

Observe = Callable[[float, int], None]
"""Is called with the seconds and rows of every engine call."""


class Batcher:
    """The queue and batch loop of one half of a model (encoder or decoder). Use it in one event loop."""

    def __init__(
        self,
        run: Run,
        worker: EngineWorker,
        costs: CostCurve,
        *,
        queue_items: int,
        inline_s: float,
        observe: Observe | None = None,
    ) -> None:
        """Batches of at most `inline_s` run in the event loop, longer ones in the worker's thread."""
        self._run, self._worker, self._observe = run, worker, observe
        self._queue_items, self._inline_s = queue_items, inline_s
        self._jobs: deque[Job] = deque()
        self._waiting_items = 0
        self._scheduled = self._running = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._in_thread: asyncio.Future[None] | None = None
        self._closed = False
        self.costs = costs
        """The cost curve of batches; `calibrate` replaces it with a better measurement."""

    @property
    def waiting_items(self) -> int:
        """Number of rows that wait for the engine."""
        return self._waiting_items

    def check_room(self, items: int = 1) -> None:
        """Raise QueueFull if the queue has no room for `items` more; an empty queue accepts any number.

        A full queue still accepts a job that is no larger than an equal share of the queue for each waiting job
        (max-min fairness). So a few callers with large jobs do not shut out others with small ones.
        """
        waiting = self._waiting_items
        if not waiting or waiting + items <= self._queue_items:
            return
        if items * (len(self._jobs) + 1) <= self._queue_items and waiting + items <= 2 * self._queue_items:
            return
        if waiting >= self._queue_items:
            raise QueueFull("as many items are waiting for the model as may; nothing more is accepted")
        raise QueueFull(f"{waiting} items are waiting; {items} more would be over the limit of {self._queue_items}")

    @property
    def idle(self) -> bool:
        """Whether no job waits and no batch runs."""
        return self._idle.is_set()

    def submit(self, rows: Rows, deadline: float) -> Job:
        """Queue a job of rows (n, …) by name, n >= 1, all arrays of one n; its result is set on `job.answer`.

        A caller that stops waiting, at the latest at `deadline` (time.monotonic), cancels `job.answer` and calls
        `forget`. Raises QueueFull or QueueClosed.
        """
        count = len(next(iter(rows.values())))
        if self._closed:
            raise QueueClosed("this version is being unloaded")
        self.check_room(count)
        loop = asyncio.get_running_loop()
        job = Job(rows, count, deadline, loop.create_future(), time.monotonic())
        self._jobs.append(job)
        self._waiting_items += count
        self._idle.clear()
        if not (self._scheduled or self._running):
            self._scheduled = True
            loop.call_soon(self._flush)
        return job

    def forget(self, job: Job) -> None:
        """Remove a job from the queue if it still waits: its caller has left."""
        with suppress(ValueError):
            self._jobs.remove(job)
            self._waiting_items -= job.count - job.taken

    async def close(self) -> None:
        """Fail all waiting jobs with QueueClosed, and wait for the running batch."""
        self._closed = True
        self._fail_waiting(QueueClosed("this version is being unloaded"))
        if not self._running:
            self._idle.set()
        await self._idle.wait()

    async def calibrate(self, seconds_of: Callable[[int], float]) -> CostCurve | None:
        """Measure the cost of each batch size, one call at a time, whenever the queue is idle.

        `seconds_of(size)` runs one batch and returns its duration. None where the queue was closed meanwhile.
        """
        measured: dict[int, float] = {}
        for size in [size for size in self.costs.sizes for _ in range(_REPEATS)]:
            while not self._idle.is_set():  # jobs may have come since the event was set
                await self._idle.wait()
            if self._closed:
                return None
            self._running = True
            self._idle.clear()
            # If this task is cancelled, the thread's call goes on: until it ends, no other call may use the program.
            measuring = asyncio.ensure_future(self._worker.run(partial(seconds_of, size)))
            measuring.add_done_callback(self._measured)
            seconds = await asyncio.shield(measuring)
            measured[size] = min(seconds, measured.get(size, seconds))
        self.costs = CostCurve(tuple(measured), tuple(measured.values()))
        return self.costs

    def _measured(self, measuring: asyncio.Future[float]) -> None:
        if not measuring.cancelled():
            measuring.exception()  # `calibrate` raises it, if it still runs; read here, so that asyncio does not log it
        self._next()

    # -- one batch -----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Run batches of the waiting jobs for at most `_TURN_S`; if jobs are left, continue in the next turn of the
        event loop.

        One batch in each turn would be too slow: a turn takes long where many requests wait to be read.
        """
        self._scheduled = False
        if self._running:
            return  # the running batch schedules this again when it ends
        until = time.monotonic() + _TURN_S
        while batch := self._gather():
            if (seconds := self._cost_of(batch)) > self._inline_s:
                self._start_thread(batch, seconds)
                return
            started = time.monotonic()
            try:
                outputs = self._compute(batch)
            except Exception as error:  # noqa: BLE001 - whatever the runtime raised, every caller gets an answer
                self._failed(batch, error)
            else:
                self._settle(batch, outputs, started, time.monotonic())
            if time.monotonic() >= until:
                break
        self._next()

    def _start_thread(self, batch: list[Share], seconds: float) -> None:
        """Give the worker thread all batches of one turn at once, so that it need not wait for the next one.

        A job that needs several batches ends a turn: if one of its batches fails, the job is run again from its start.
        """
        batches = [batch]
        while seconds < _TURN_S and _is_whole(batch) and (batch := self._gather()):
            batches.append(batch)
            seconds += self._cost_of(batch)
        self._running = True
        self._in_thread = asyncio.ensure_future(self._run_in_thread(batches))
        self._in_thread.add_done_callback(lambda _: self._next())

    def _cost_of(self, batch: list[Share]) -> float:
        return self.costs.seconds_of[sum(stop - start for _, start, stop in batch)]

    def _next(self) -> None:
        self._running = False
        if not self._jobs:
            self._idle.set()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def _run_in_thread(self, batches: list[list[Share]]) -> None:
        def compute_all() -> list[tuple[float, Outputs | Exception, float]]:
            return [self._timed(batch) for batch in batches]

        try:
            computed = await self._worker.run(compute_all)
        except WorkerLost:
            error = EngineThreadLost("the engine stopped and is being restarted")
            for job, _, _ in itertools.chain.from_iterable(batches):
                _fail(job, error)
            self._fail_waiting(error)
            return
        for batch, (started, outputs, ended) in zip(batches, computed, strict=True):
            if isinstance(outputs, Exception):
                self._failed(batch, outputs)
            else:
                self._settle(batch, outputs, started, ended)
        computed.clear()  # the frame that called `compute_all` holds it, and is held by the errors in it

    def _timed(self, batch: list[Share]) -> tuple[float, Outputs | Exception, float]:
        started = time.monotonic()
        try:
            outputs = self._compute(batch)
        except Exception as error:  # noqa: BLE001 - whatever the runtime raised, every caller gets an answer
            return started, error, time.monotonic()
        return started, outputs, time.monotonic()

    def _gather(self) -> list[Share]:
        """Take waiting jobs for the next batch, up to the best size; drop jobs whose caller left or deadline passed."""
        jobs, costs = self._jobs, self.costs
        now = time.monotonic()
        limit = costs.size_for[min(jobs[0].count - jobs[0].taken, costs.sizes[-1] + 1)] if jobs else 0
        batch: list[Share] = []
        total, left_s = 0, float("inf")
        while jobs and total < limit:
            job = jobs[0]
            left = job.count - job.taken
            if job.answer.done() or job.deadline <= now:
                jobs.popleft()  # the request of a late job is answered by its own timer
                self._waiting_items -= left
                continue
            take = min(left, limit - total)
            left_s = min(left_s, job.deadline - now)
            if batch and (
                (take < left <= limit) or job.alone or batch[0].job.alone or costs.seconds_of[total + take] > left_s
            ):
                break
            jobs.popleft()
            job.queue_s += now - job.queued_at if job.taken == 0 else 0.0
            batch.append(Share(job, job.taken, job.taken + take))
            job.taken += take
            total += take
            self._waiting_items -= take
            if take < left:
                jobs.append(job)  # its other rows go to the end of the queue
                break
        return batch

    def _compute(self, batch: list[Share]) -> Outputs:
        rows = self._run([Piece(job.rows, start, stop) for job, start, stop in batch])
        return Outputs(rows, all(map(_is_finite, rows.values())))

    def _settle(self, batch: list[Share], outputs: Outputs, started: float, ended: float) -> None:
        seconds = ended - started
        rows = sum(stop - start for _, start, stop in batch)
        if self._observe is not None:
            self._observe(seconds, rows)
        begin = 0
        for job, start, stop in batch:
            end = begin + stop - start
            own = {name: array[begin:end] for name, array in outputs.rows.items()}
            begin = end
            job.infer_s += seconds
            job.finite = job.finite and outputs.finite
            if stop - start < job.count:
                for name, array in own.items():
                    if name not in job.whole:
                        job.whole[name] = np.empty((job.count, *array.shape[1:]), array.dtype)
                    job.whole[name][start:stop] = array
                if stop < job.count:
                    continue
                own = job.whole
            if not job.answer.done():
                job.answer.set_result(Answer(own, job.finite, job.queue_s, job.infer_s, rows))

    def _failed(self, batch: list[Share], error: Exception) -> None:
        """Handle a failed batch: fail its job if it has only one, else queue its jobs again, each alone."""
        # The error's traceback holds frames that hold this list: left as it is, the job and its caller's error, which
        # has this one as its cause, would be a cycle that keeps the request in memory until the collector comes.
        shares = batch.copy()
        batch.clear()
        if len(shares) == 1:
            job = shares[0].job
            _fail(job, BatchFailed(error))
            self.forget(job)
            return
        for job, _, _ in reversed(shares):
            self.forget(job)
            job.alone, job.taken = True, 0
            self._jobs.appendleft(job)
            self._waiting_items += job.count

    def _fail_waiting(self, error: BatchingError) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            self._waiting_items -= job.count - job.taken
            _fail(job, error)


def _is_finite(array: Float32) -> bool:
    """The value of np.isfinite(array).all(), in half the time for small arrays."""
    return b"\0" not in np.isfinite(array).tobytes()


def _is_whole(batch: list[Share]) -> bool:
    """Whether all jobs of a batch have their last rows in it."""
    job, _, stop = batch[-1]
    return stop == job.count


def _fail(job: Job, error: BatchingError) -> None:
    """Set an error as the answer of a job, unless its caller has left."""
    if not job.answer.done():
        job.answer.set_exception(error)
