"""Continuous batching: an idle engine starts at once, what arrives while it is busy leaves together.

All requests that are read in one turn of the event loop go into one call; nothing waits for company. A batch ends
where more rows would make it no faster, or where it would outlast a member's deadline. A caller's rows beyond one
batch go into several, in turn with everybody else's. Every accepted job gets exactly one answer: its rows, or an error;
a failed batch is run again job by job, so that one request's failure never touches another's.

Small batches run where they are, in the event loop: the way to a thread and back costs more than they do.

Knows nothing of HTTP or of a runtime: it is given a function from rows to rows, what that costs, and a thread.
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
    """What became of a job."""

    rows: dict[str, Float32]
    """(n, …) by name."""
    finite: bool
    """Whether all numbers of its batch are finite; where they are not, not necessarily this job's."""
    queue_s: float
    infer_s: float
    """Of its batches, each counted whole."""
    batch_items: int
    """Of its last batch."""


@dataclass(eq=False, slots=True)
class Job:
    """The rows of one caller, and where the answer goes."""

    rows: Rows
    count: int
    deadline: float
    """On the clock of time.monotonic."""
    answer: asyncio.Future[Answer]
    queued_at: float
    taken: int = 0
    """Rows that are in a batch, or through."""
    alone: bool = False
    """It was in a batch that failed: run by itself."""
    parts: list[dict[str, Float32]] = field(default_factory=list)
    finite: bool = True
    queue_s: float = 0.0
    infer_s: float = 0.0


class Share(NamedTuple):
    """A job's part of a batch."""

    job: Job
    start: int
    stop: int


class Outputs(NamedTuple):
    """What the engine said to a batch."""

    rows: dict[str, Float32]
    finite: bool


_REPEATS = 5
_TURN_S = 0.01
"""The engine's part of one turn of the event loop, where so much waits; a batch that takes longer is one all the same.
"""

Observe = Callable[[float, int], None]
"""Gets the seconds and rows of every engine call."""


class Batcher:
    """The queue of one half of a model. Used from one event loop."""

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
        """Batches that take no longer than `inline_s` run in the event loop, others in the worker's thread."""
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
        """What batches cost; may be replaced by a better measurement."""

    @property
    def waiting_items(self) -> int:
        """Rows that wait for the engine."""
        return self._waiting_items

    def check_room(self, items: int = 1) -> None:
        """Raise QueueFull where so many items more are not accepted; a queue that is empty accepts any number."""
        waiting = self._waiting_items
        if not waiting or waiting + items <= self._queue_items:
            return
        if waiting >= self._queue_items:
            raise QueueFull("as many items are waiting for the model as may; nothing more is accepted")
        raise QueueFull(f"{waiting} items are waiting; {items} more would be over the limit of {self._queue_items}")

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return self._idle.is_set()

    def submit(self, rows: Rows, deadline: float) -> Job:
        """Queue rows (n, …) by name, n >= 1, all arrays of one n; `job.answer` will have what becomes of them.

        A caller that does not wait for it any longer, at the latest after `deadline` (time.monotonic), cancels it and
        calls `forget`. Raises QueueFull or QueueClosed.
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
        """Free the place of a caller that has left, if its job is still waiting."""
        with suppress(ValueError):
            self._jobs.remove(job)
            self._waiting_items -= job.count - job.taken

    async def close(self) -> None:
        """Answer everyone who waits with QueueClosed, and stop once the running batch is through."""
        self._closed = True
        self._fail_waiting(QueueClosed("this version is being unloaded"))
        if not self._running:
            self._idle.set()
        await self._idle.wait()

    async def calibrate(self, seconds_of: Callable[[int], float]) -> CostCurve | None:
        """Measure what batches cost, size by size, whenever there is nothing else to do.

        `seconds_of(size)` runs one batch and says how long it took. None where the queue was closed meanwhile.
        """
        measured: dict[int, float] = {}
        for size in [size for size in self.costs.sizes for _ in range(_REPEATS)]:
            while not self._idle.is_set():  # others may have come between its being set and our waking up
                await self._idle.wait()
            if self._closed:
                return None
            self._running = True
            self._idle.clear()
            # Whoever is cancelled here, the thread goes on: until it is through, nobody else may use the program.
            measuring = asyncio.ensure_future(self._worker.run(partial(seconds_of, size)))
            measuring.add_done_callback(self._measured)
            seconds = await asyncio.shield(measuring)
            measured[size] = min(seconds, measured.get(size, seconds))
        self.costs = CostCurve(tuple(measured), tuple(measured.values()))
        return self.costs

    def _measured(self, measuring: asyncio.Future[float]) -> None:
        if not measuring.cancelled():
            measuring.exception()  # whoever measures hears of it, if it is still there
        self._next()

    # -- one batch -----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Run what is there, batch after batch for as long as a turn of the loop may take; then come again, after
        whatever else is ready, if that was not all.

        One batch a turn would not do: where many requests are waiting to be read, a turn takes long.
        """
        self._scheduled = False
        if self._running:
            return  # what runs comes back here
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
        """Hand the worker a turn's batches at once: until it hears of the next, it does nothing.

        A job that is in several batches is in the last of a turn alone: where it fails, it begins anew.
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
        """Take what is there, up to the best batch; drop who has left or is too late."""
        jobs, costs = self._jobs, self.costs
        now = time.monotonic()
        limit = costs.size_for[min(jobs[0].count - jobs[0].taken, costs.sizes[-1] + 1)] if jobs else 0
        batch: list[Share] = []
        total, left_s = 0, float("inf")
        while jobs and total < limit:
            job = jobs[0]
            left = job.count - job.taken
            if job.answer.done() or job.deadline <= now:
                jobs.popleft()  # a late one's own timer answers it
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
                jobs.append(job)  # in turn with the others
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
                job.parts.append(own)
                if stop < job.count:
                    continue
                own = {name: np.concatenate([part[name] for part in job.parts]) for name in own}
            if not job.answer.done():
                job.answer.set_result(Answer(own, job.finite, job.queue_s, job.infer_s, rows))

    def _failed(self, batch: list[Share], error: Exception) -> None:
        """The only one of a batch has failed; several are tried again one by one."""
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
            job.parts.clear()
            self._jobs.appendleft(job)
            self._waiting_items += job.count

    def _fail_waiting(self, error: BatchingError) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            self._waiting_items -= job.count - job.taken
            _fail(job, error)


def _is_finite(array: Float32) -> bool:
    """np.isfinite(array).all(), in half the time where the array is small."""
    return b"\0" not in np.isfinite(array).tobytes()


def _is_whole(batch: list[Share]) -> bool:
    """Whether all its jobs end in it."""
    job, _, stop = batch[-1]
    return stop == job.count


def _fail(job: Job, error: BatchingError) -> None:
    """Answer a caller, unless it has left."""
    if not job.answer.done():
        job.answer.set_exception(error)
