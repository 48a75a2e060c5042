"""A version behind its queues, in this process: what requests are told of failures, and what these keep."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from model_store import ModelStore
from model_store.arrays import Float32
from service.batching import EngineWorker
from service.engines import create_engine
from service.engines.base import Arrays, BoundCall
from service.errors import EngineFailure, EngineLost, Overloaded, ServiceError, ShuttingDown
from service.models.loaded_version import LoadedVersion, load_version
from service.models.served_model import Clock, ServedModel
from service.observability.metrics import Metrics

LONG_S, FREE_S = 60.0, 10.0
QUEUE_ITEMS = 100
THREAD, INLINE = 0.0, 3600.0


@pytest.fixture
def worker() -> Iterator[EngineWorker]:
    made = EngineWorker()
    yield made
    made.close()


@pytest.fixture
def loaded(affine_store: ModelStore) -> LoadedVersion:
    """The affine model `image`, in batches of up to eight."""
    return load_version(affine_store.directory("image", 1), "openvino", lambda name: create_engine(name, 1), 8)


@pytest.fixture(params=[THREAD, INLINE], ids=["thread", "inline"])
async def served(
    request: pytest.FixtureRequest, loaded: LoadedVersion, worker: EngineWorker
) -> AsyncIterator[ServedModel]:
    made = ServedModel(
        loaded, worker, queue_items=QUEUE_ITEMS, queue_bytes=1 << 20, inline_s=request.param, observer=Metrics()
    )
    yield made
    await made.close()


def break_encoder(loaded: LoadedVersion, error: type[BaseException]) -> None:
    """Every call of it fails from now on."""

    def call() -> Arrays:
        raise error("the runtime's own words")

    loaded.encoder._calls = {size: BoundCall(bound.names, call) for size, bound in loaded.encoder._calls.items()}


def images(count: int) -> Float32:
    return np.full((count, 4, 4, 1), 0.5, np.float32)


async def told(served: ServedModel, x: Float32) -> tuple[type[ServiceError], int, str, str]:
    """Of the error that a request for codes is answered with: its kind, status, text and cause."""
    try:
        await served.encode(x, None, Clock.until(LONG_S))
    except ServiceError as error:
        return type(error), error.status, error.detail, repr(error.__cause__)
    pytest.fail("there is an answer")


@pytest.mark.parametrize("count", [1, 20])
async def test_an_engine_failure_is_told_and_keeps_no_rows(
    served: ServedModel, loaded: LoadedVersion, count: int
) -> None:
    break_encoder(loaded, ArithmeticError)
    kept: list[weakref.ref[Float32]] = []

    async def ask() -> tuple[type[ServiceError], int, str, str]:
        x = images(count)
        kept.append(weakref.ref(x))
        return await told(served, x)

    gc.disable()
    try:
        for kind, status, detail, cause in await asyncio.gather(*[ask() for _ in range(3)]):
            assert (kind, status) == (EngineFailure, 500)
            assert "own words" not in detail
            assert cause == repr(ArithmeticError("the runtime's own words"))
        async with asyncio.timeout(FREE_S):
            while any(x() is not None for x in kept):  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # the thread may be just about to let go
    finally:
        gc.enable()


async def test_a_thread_that_is_lost_is_a_503(loaded: LoadedVersion, worker: EngineWorker) -> None:
    served = ServedModel(
        loaded, worker, queue_items=QUEUE_ITEMS, queue_bytes=1 << 20, inline_s=THREAD, observer=Metrics()
    )
    break_encoder(loaded, SystemExit)
    kind, status, detail, cause = await told(served, images(1))
    assert (kind, status, cause) == (EngineLost, 503, "None")
    assert "own words" not in detail
    await served.close()


async def test_a_full_queue_is_a_503_before_a_request_is_read_any_further(served: ServedModel) -> None:
    waiting = asyncio.ensure_future(served.encode(images(QUEUE_ITEMS), None, Clock.until(LONG_S)))
    await asyncio.sleep(0)  # it is queued, and nothing of it has begun
    served.check_room("decoder")
    body_bytes = images(QUEUE_ITEMS).nbytes
    with pytest.raises(Overloaded) as refused:
        served.check_room("encoder", body_bytes)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    assert (await told(served, images(QUEUE_ITEMS)))[0] is Overloaded
    assert (await waiting).z_mean.shape == (QUEUE_ITEMS, 2)
    served.check_room("encoder", body_bytes)


async def test_a_version_that_is_unloaded_is_a_503(served: ServedModel) -> None:
    await served.close()
    assert (await told(served, images(1)))[:2] == (ShuttingDown, 503)
