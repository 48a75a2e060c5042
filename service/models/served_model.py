"""A loaded version behind its queues: what requests ask. Belongs to the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
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

SETTLE_S = 1.0
"""A version that has just become ready has requests to answer, or a command to end."""


@dataclass(slots=True)
class Clock:
    """The deadline of one request, and where its time went, in seconds."""

    deadline: float
    parse_s: float = 0.0
    queue_s: float = 0.0
    infer_s: float = 0.0
    render_s: float = 0.0

    @property
    def remaining_s(self) -> float:
        """Seconds to the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    @classmethod
    def until(cls, timeout_s: float) -> Clock:
        """A clock that starts now."""
        return cls(deadline=time.monotonic() + timeout_s)


@dataclass(slots=True)
class Posterior:
    """What the encoder says of n items; d is latent_dim."""

    z_mean: Float32
    """(n, d); the code itself where it is deterministic."""
    z_log_var: Float32 | None
    """(n, d), Gaussian codes only."""


class Observer(Protocol):
    """Hears what engines do."""

    def observe_wait(self, model: str, half: str, seconds: float) -> None:
        """How long a job waited for the engine."""

    def observe_call(self, model: str, half: str, seconds: float, rows: int) -> None:
        """One engine call."""


class ServedModel:
    """A loaded version behind its queues. Everything is in the network's own units."""

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
        self._observer, self._loaded = observer, loaded
        self.leases = 0
        """Requests that have this version now: the registry counts up, `release` down."""
        self.last_used = time.monotonic()
        self.on_idle: Callable[[], None] | None = None
        """Called when the last lease ends."""

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
        """Whether the encoder answers a distribution rather than a code."""
        return self.manifest.latent.distribution == "gaussian"

    @property
    def latent_dim(self) -> int:
        """d, the length of a code."""
        return self.manifest.latent.dim

    @property
    def waiting_items(self) -> int:
        """Items in both queues."""
        return self._encoder.waiting_items + self._decoder.waiting_items

    async def calibrate(self, cache: CostCache, machine: Mapping[str, str]) -> None:
        """Measure both halves when there is time for it, or take what was measured on such a `machine` before."""
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
            known = await asyncio.to_thread(cache.read, identity)
            if known is not None:
                batcher.costs = known
                continue
            await asyncio.sleep(SETTLE_S)
            if (measured := await batcher.calibrate(program.seconds_of)) is not None:
                await asyncio.to_thread(cache.write, identity, measured)

    def _batcher(self, half: Half) -> Batcher:
        return self._encoder if half == "encoder" else self._decoder

    def check_room(self, half: Half) -> None:
        """Raise Overloaded where the queue of a half is full, so that a request need not be read any further."""
        try:
            self._batcher(half).check_room()
        except BatchingError as error:
            raise from_batching(error) from None

    async def encode(self, x: Float32, labels: Float32 | None, clock: Clock) -> Posterior:
        """The posterior of x (n, …); `labels` (n, classes) for conditional models."""
        rows = await self._infer("encoder", {"x": x}, labels, clock)
        return Posterior(rows["z_mean"], rows["z_log_var"]) if self.gaussian else Posterior(rows["z"], None)

    async def decode(self, z: NDArray[Any], labels: Float32 | None, clock: Clock) -> Float32:
        """The decoder's answer to codes (n, d): (n, …). Raises Overflow where it is no finite number."""
        rows = await self._infer("decoder", {"z": np.asarray(z, np.float32)}, labels, clock)
        return rows["outputs"]

    def release(self) -> None:
        """A request is through with this version; once for each lease."""
        self.leases -= 1
        self.last_used = time.monotonic()
        if not self.leases and self.on_idle is not None:
            self.on_idle()

    async def close(self) -> None:
        """Stop both queues."""
        await self._encoder.close()
        await self._decoder.close()

    async def _infer(self, half: Half, rows: Rows, labels: Float32 | None, clock: Clock) -> Rows:
        """The half's answer to rows by the names of its inputs. Raises Overflow where it is no finite number."""
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
            del job  # its future has the error, which has this frame, which would have the rows for good
        self._observer.observe_wait(self.manifest.name, half, answer.queue_s)
        clock.queue_s += answer.queue_s
        clock.infer_s += answer.infer_s
        if not answer.finite:
            for array in answer.rows.values():
                name, given = next(iter(rows.items()))
                require_finite(array, "inputs" if name == "x" else name, given)
        return answer.rows


def require_finite(answers: NDArray[Any], name: str, given: NDArray[Any]) -> None:
    """Raise Overflow at the first of n answers (n, …) that is no finite number; `given` (n, …) is what led to it."""
    if np.isfinite(answers).all():
        return
    item = int((~np.isfinite(answers)).reshape(len(answers), -1).any(axis=1).argmax())
    raise Overflow.at(
        [name, item],
        f"the model's answer to item {item} is no finite number",
        expected="values near those that the model was trained on",
        got=f"values up to {np.abs(given[item]).max():g}",
    )
