"""Whose next request is looked for before the loop sleeps, and for how long."""

from __future__ import annotations

import asyncio

from service.polling import Polling

LONG_S = 0.1
"""To look for: long enough for a busy machine to ask twice in."""


def ask(polling: Polling, *, alone: bool = True) -> None:
    polling.asked(alone=alone)
    polling.rests()


def looks(polling: Polling) -> bool:
    return polling.under_way


async def test_a_client_that_asks_again_at_once_is_looked_for_and_not_for_long() -> None:
    polling = Polling(LONG_S)
    ask(polling)
    assert not looks(polling)  # whether it is quick is not known yet
    ask(polling)
    assert looks(polling)
    await asyncio.sleep(2 * LONG_S)
    assert not looks(polling)


async def test_a_client_that_takes_its_time_is_not_looked_for() -> None:
    polling = Polling(LONG_S)
    for _ in range(3):
        ask(polling)
        await asyncio.sleep(2 * LONG_S)
        assert not looks(polling)


async def test_several_clients_are_not_looked_for() -> None:
    polling = Polling(LONG_S)
    for _ in range(3):
        ask(polling, alone=False)
        assert not looks(polling)


async def test_nothing_is_looked_for_while_a_request_is_answered() -> None:
    polling = Polling(LONG_S)
    ask(polling)
    ask(polling)
    polling.asked(alone=True)
    await asyncio.sleep(0)
    assert not looks(polling)


async def test_where_it_is_off_nobody_is_looked_for() -> None:
    polling = Polling(0.0)
    for _ in range(3):
        ask(polling)
        assert not looks(polling)
