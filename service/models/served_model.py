"""A loaded version with a queue for its encoder and one for its decoder. Use it in the event loop only."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from model_store.verify import DECODER, ENCODER
from service.batching import Batcher, BatchingError, BucketedProgram, CostCache, CostCurve, EngineWorker, Rows
from service.errors import Overflow, from_batching
from service.models.loaded_version import LoadedVersion

Half = Literal["encoder", "decoder"]

POST_LOAD_DELAY_S = 1.0
"""Wait after a version is ready before its costs are measured, so that first requests and short commands go first."""


@dataclass(slots=True)
class Clock:
    """The deadline of one request, the seconds that it spent in each step, and the bytes that it holds."""

    deadline: float
    parse_s: float = 0.0
    queue_s: float = 0.0
    infer_s: float = 0.0
    render_s: float = 0.0
    held_bytes: int = 0
    """As counted in `InFlightBytes`; whoever made the clock gives them back."""

    @property
    def remaining_s(self) -> float:
        """Seconds to the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    @classmethod
    def until(cls, timeout_s: float) -> Clock:
        """A clock whose deadline is `timeout_s` from now."""
        return cls(deadline=time.monotonic() + timeout_s)


@dataclass(slots=True)
class Posterior:
    """The encoder's output for n items; d is latent_dim."""

    z_mean: Float32
    """(n, d); for a deterministic model the code itself."""
    z_log_var: Float32 | None
    """(n, d); None for a deterministic model."""


class Observer(Protocol):
    """Is told of waits and engine calls, for the metrics."""

    def observe_wait(self, model: str, half: str, seconds: float) -> None:
        """Record how long a job waited for the engine."""

    def observe_call(self, model: str, half: str, seconds: float, rows: int) -> None:
        """Record one engine call."""


class ServedModel:
    """A loaded version with its queues: encodes and decodes batches, in the network's own units."""

    def __init__(
        self,
        loaded: LoadedVersion,
        worker: EngineWorker,
        *,
        queue_items: int,
        queue_bytes: int,
        inline_s: float,
        observer: Observer,
    ) -> None:
        self.manifest, self.engine, self.prior = loaded.manifest, loaded.engine, loaded.prior
        self.reference = f"{self.manifest.name}@{self.manifest.version}"
        self.digest = self.manifest.digest
        self.item_numbers = math.prod(self.manifest.input.shape)
        """Numbers of one item: the product of its shape."""
        self._observer, self._loaded = observer, loaded
        self.leases = 0
        """Number of requests that use this version now: a lease adds one, `release` subtracts one."""
        self.last_used = time.monotonic()
        self.on_idle: Callable[[], None] | None = None
        """Called when the last lease has ended."""

        def batcher(half: str, program: BucketedProgram, costs: CostCurve) -> Batcher:
            return Batcher(
                program.run,
                worker,
                costs,
                queue_items=max(1, min(queue_items, queue_bytes // program.row_bytes)),
                inline_s=inline_s,
                observe=partial(observer.observe_call, self.manifest.name, half),
            )

        self._encoder = batcher(ENCODER, loaded.encoder, loaded.encoder_costs)
        self._decoder = batcher(DECODER, loaded.decoder, loaded.decoder_costs)

    @property
    def gaussian(self) -> bool:
        """Whether the encoder returns a distribution (mean and variance) rather than one code."""
        return self.manifest.latent.distribution == "gaussian"

    @property
    def latent_dim(self) -> int:
        """d, the number of dimensions of a code."""
        return self.manifest.latent.dim

    @property
    def waiting_items(self) -> int:
        """Number of items that wait in both queues."""
        return self._encoder.waiting_items + self._decoder.waiting_items

    async def calibrate(self, cache: CostCache, machine: Mapping[str, str], files: Executor) -> None:
        """Measure the cost curves of both halves while idle, or take them from the cache for this kind of `machine`.

        The cache is read and written by `files`: its disk may hang.
        """
        loop = asyncio.get_running_loop()
        for half, batcher, program in (
            (ENCODER, self._encoder, self._loaded.encoder),
            (DECODER, self._decoder, self._loaded.decoder),
        ):
            identity = {
                **machine,
                "version": self.reference,
                "created_at": self.manifest.created_at.isoformat(),
                "half": half,
                "engine": self.engine,
                "sizes": str(program.sizes),
            }
            known = await loop.run_in_executor(files, cache.read, identity)
            if known is not None:
                batcher.costs = known
                continue
            await asyncio.sleep(POST_LOAD_DELAY_S)
            if (measured := await batcher.calibrate(program.seconds_of)) is not None:
                await loop.run_in_executor(files, cache.write, identity, measured)

    def _batcher(self, half: Half) -> Batcher:
        return self._encoder if half == "encoder" else self._decoder

    def check_room(self, half: Half, body_bytes: int = 0) -> None:
        """Raise Overloaded if the queue of a half is full, so that the request's body need not be read.

        `body_bytes` tells how many items the body may hold, at four bytes a number.
        """
        numbers = self.item_numbers if half == "encoder" else self.latent_dim
        try:
            self._batcher(half).check_room(max(1, body_bytes // (4 * numbers)))
        except BatchingError as error:
            raise from_batching(error) from None

    async def encode(self, x: Float32, labels: Float32 | None, clock: Clock) -> Posterior:
        """Encode x (n, …) to its posterior; `labels` (n, classes) for conditional models."""
        rows = await self._infer("encoder", {"x": x}, labels, clock)
        return Posterior(rows["z_mean"], rows["z_log_var"]) if self.gaussian else Posterior(rows["z"], None)

    async def decode(self, z: NDArray[Any], labels: Float32 | None, clock: Clock) -> Float32:
        """Decode codes (n, d) to items (n, …). Raises Overflow where the output is not finite."""
        rows = await self._infer("decoder", {"z": np.asarray(z, np.float32)}, labels, clock)
        return rows["outputs"]

    def release(self) -> None:
        """End a lease of this version; call it once for each lease."""
        self.leases -= 1
        self.last_used = time.monotonic()
        if not self.leases and self.on_idle is not None:
            self.on_idle()

    async def close(self) -> None:
        """Close both queues; waiting jobs get an error."""
        await self._encoder.close()
        await self._decoder.close()

    async def _infer(self, half: Half, rows: Rows, labels: Float32 | None, clock: Clock) -> Rows:
        """Run one half on rows by input name. Raises Overflow where the output is not finite."""
        if labels is not None:
            rows = {**rows, "labels": labels}
        batcher = self._batcher(half)
        job = None
        try:
            job = batcher.submit(rows, clock.deadline)
            answer = await job.answer
        except asyncio.CancelledError:
            if job is not None:
                batcher.forget(job)
            raise
        except BatchingError as error:
            raise from_batching(error) from error.__cause__
        finally:
            del job  # job -> future -> error -> frame -> job would be a cycle, which keeps the rows in memory
        self._observer.observe_wait(self.manifest.name, half, answer.queue_s)
        clock.queue_s += answer.queue_s
        clock.infer_s += answer.infer_s
        if not answer.finite:
            for array in answer.rows.values():
                name, given = next(iter(rows.items()))
                require_finite(array, "inputs" if name == "x" else name, given)
        return answer.rows


def require_finite(answers: NDArray[Any], name: str, given: NDArray[Any]) -> None:
    """Raise Overflow for the first of n outputs (n, …) that is not finite; `given` (n, …) are their inputs."""
    if np.isfinite(answers).all():
        return
    item = int((~np.isfinite(answers)).reshape(len(answers), -1).any(axis=1).argmax())
    raise Overflow.at(
        [name, item],
        f"the model's answer to item {item} is no finite number",
        expected="values near those that the model was trained on",
        got=f"values up to {np.abs(given[item]).max():g}",
    )
