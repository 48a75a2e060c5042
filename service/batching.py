"""Micro-batching: many small requests, few large model calls.

An idle engine runs at once what is there; while it is busy, rows gather, and leave together when it is free. So a
batch costs no waiting where there is no load. Every accepted job gets exactly one answer: its rows, or an error. A
failed batch is run again job by job, so that one request's failure never touches another's.

Knows nothing of HTTP or of a runtime: it is given a function from rows to rows, and an executor to run it in.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.errors import DeadlineExceeded, EngineFailure, Overloaded, ServiceError, ShuttingDown

Rows = Mapping[str, NDArray[np.float32]]
Run = Callable[[Rows], dict[str, NDArray[np.float32]]]


@dataclass(eq=False)
class Job:
    """The rows of one caller, and where the answer goes."""

    rows: Rows
    count: int
    deadline: float
    """On the clock of time.monotonic."""
    answer: asyncio.Future[Answer]
    queued_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Answer:
    """What became of a job."""

    rows: dict[str, NDArray[np.float32]]
    queue_s: float
    infer_s: float
    batch_items: int


Observe = Callable[[Answer], None]


class MicroBatcher:
    """The queue and the one worker of one half of a model. Used from one event loop."""

    def __init__(
        self, run: Run, executor: Executor, *, max_items: int, queue_items: int, observe: Observe | None = None
    ) -> None:
        self._run, self._executor, self._observe = run, executor, observe
        self._max_items, self._queue_items = max_items, queue_items
        self._jobs: deque[Job] = deque()
        self._waiting_items = 0
        self._arrived = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting_items(self) -> int:
        """Rows that wait for the engine."""
        return self._waiting_items

    async def submit(self, rows: Rows, deadline: float) -> Answer:
        """Run rows (n, …) by name, n >= 1, all arrays of one n; wait until `deadline` (time.monotonic).

        Raises Overloaded at once where the queue is full, DeadlineExceeded, ShuttingDown, or ServiceError where the
        engine failed on these rows.
        """
        count = len(next(iter(rows.values())))
        if self._closed:
            raise ShuttingDown("this version is being unloaded")
        if self._jobs and self._waiting_items + count > self._queue_items:
            raise Overloaded(f"{self._waiting_items} items are waiting; at most {self._queue_items} may")
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        job = Job(rows, count, deadline, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._waiting_items += count
        self._arrived.set()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await job.answer
        except TimeoutError:
            raise DeadlineExceeded("the answer was not ready before the request's deadline") from None
        finally:
            if job.answer.cancel() or job.answer.cancelled():  # left, or too late: not computed for
                self._forget(job)

    async def close(self) -> None:
        """Answer everyone who waits with ShuttingDown, and stop once the running batch is through."""
        self._closed = True
        self._fail_waiting(ShuttingDown("this version is being unloaded"))
        self._arrived.set()
        if self._worker is not None:
            await asyncio.wait([self._worker])

    def _forget(self, job: Job) -> None:
        """Free the place of a caller that has left, if its job is still waiting."""
        with suppress(ValueError):
            self._jobs.remove(job)
            self._waiting_items -= job.count

    async def _work(self) -> None:
        try:
            while not self._closed:
                await self._arrived.wait()
                self._arrived.clear()
                while batch := self._gather():
                    await self._serve(batch)
        finally:
            self._fail_waiting(ShuttingDown("the worker of this version has stopped"))

    def _gather(self) -> list[Job]:
        """Take what is there, up to the largest batch; drop who has left or is too late."""
        batch: list[Job] = []
        total, now = 0, time.monotonic()
        while self._jobs and (not batch or total + self._jobs[0].count <= self._max_items):
            job = self._jobs.popleft()
            self._waiting_items -= job.count
            if job.answer.done() or job.deadline <= now:
                continue  # a late one's own timer answers it
            batch.append(job)
            total += job.count
        return batch

    async def _serve(self, batch: list[Job]) -> None:
        started = time.monotonic()
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._compute, batch)
        except Exception as error:  # noqa: BLE001 - whatever the runtime raised, every caller gets an answer
            if len(batch) > 1:
                for job in batch:
                    await self._serve([job])
            else:
                _settle(batch[0], error=EngineFailure(error))
            return
        seconds, items = time.monotonic() - started, sum(job.count for job in batch)
        for job, rows in zip(batch, results, strict=True):
            answer = Answer(rows, started - job.queued_at, seconds, items)
            if self._observe is not None:
                self._observe(answer)
            _settle(job, answer=answer)

    def _compute(self, batch: list[Job]) -> list[dict[str, NDArray[np.float32]]]:
        """In the executor's thread: put the rows together, run them, take them apart."""
        if len(batch) == 1:
            rows = batch[0].rows
        else:
            rows = {name: np.concatenate([job.rows[name] for job in batch]) for name in batch[0].rows}
        answer = self._run(rows)
        total = sum(job.count for job in batch)
        if any(len(array) != total for array in answer.values()):
            raise RuntimeError(f"the engine answered another number of rows than the {total} it was given")
        results, start = [], 0
        for job in batch:
            results.append({name: array[start : start + job.count] for name, array in answer.items()})
            start += job.count
        return results

    def _fail_waiting(self, error: ServiceError) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            self._waiting_items -= job.count
            _settle(job, error=error)


def _settle(job: Job, *, answer: Answer | None = None, error: Exception | None = None) -> None:
    """Answer a caller, unless it has left."""
    if job.answer.done():
        return
    if answer is not None:
        job.answer.set_result(answer)
    elif error is not None:
        job.answer.set_exception(error)
