"""A request without a task of its own is answered once, whatever else happens to it meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.requests import ClientDisconnect

from model_store import ModelStore
from service.app import create_app
from service.at_once import AtOnce, begin_at_once
from service.errors import DeadlineExceeded
from service.fast_path.known_heads import Asked, Posted
from service.models.served_model import Clock
from service.observability.request_record import Exchange
from service.routes.inference import DECODE
from service.settings import Settings
from service.verbs.answering import Reply, Services

LONG_S = 10.0
CODE = b'{"z": [[0, 0]]}'


@pytest.fixture
async def services(affine_store: ModelStore) -> AsyncIterator[Services]:
    app = create_app(Settings(store=affine_store.path, watch_s=0))
    async with app.router.lifespan_context(app):
        await app.state.services.registry.settled()
        yield app.state.services


Outcomes = list[Reply | Exception]


def begin(services: Services, came: float | None = None) -> tuple[AtOnce, Outcomes]:
    """One of the requests of a connection, which is alone; and what it is answered."""
    headers = [(b"content-type", b"application/json")]
    asked = Asked(Posted("/decode", DECODE), "/decode", b"model=image", headers, 30.0, None)
    outcomes: Outcomes = []
    begun = begin_at_once(asked, ("198.51.100.1", 1), CODE, services, Exchange(None, came), outcomes.append)
    assert begun is not None
    return begun, outcomes


async def settled(outcomes: Outcomes) -> None:
    async with asyncio.timeout(LONG_S):
        while not outcomes:  # noqa: ASYNC110 - what is being answered tells nobody else
            await asyncio.sleep(0.001)
    await asyncio.sleep(0)  # where there would be a second answer, it is there by now
    assert len(outcomes) == 1


GiveUp = Callable[[AtOnce], None]


@pytest.mark.parametrize("give_up", [AtOnce.hang_up, AtOnce._expire], ids=["hung up", "deadline"])
async def test_an_answer_that_is_on_its_way_is_the_only_one(services: Services, give_up: GiveUp) -> None:
    """Whoever is told of a lost connection, or of a deadline, may be told when all is over."""
    model = await services.registry.get("image", Clock.until(60))
    _, first = begin(services)
    await settled(first)
    begun, outcomes = begin(services)
    assert begun._job.answer.done()  # whoever is alone is computed at once
    begun._call.clock.deadline = 0.0
    give_up(begun)
    await settled(outcomes)
    assert isinstance(outcomes[0], Reply)
    assert model.leases == 1
    model.release()


async def test_who_hangs_up_while_it_waits_leaves_nothing(services: Services) -> None:
    model = await services.registry.get("image", Clock.until(60))
    begun, outcomes = begin(services)
    _, others = begin(services)
    begun.hang_up()
    await settled(others)
    await settled(outcomes)
    assert isinstance(others[0], Reply)
    assert isinstance(outcomes[0], ClientDisconnect)
    assert (model.leases, model.waiting_items) == (1, 0)
    model.release()


async def test_the_time_of_who_waits_for_its_turn_runs(services: Services) -> None:
    model = await services.registry.get("image", Clock.until(60))
    _, outcomes = begin(services, came=time.monotonic() - 2 * services.settings.timeout_s)
    await settled(outcomes)
    assert isinstance(outcomes[0], DeadlineExceeded)
    assert (model.leases, model.waiting_items) == (1, 0)
    model.release()
