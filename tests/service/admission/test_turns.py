"""Turns: how many requests one turn of the event loop begins, and the order of the waiting ones."""

from __future__ import annotations

import asyncio
from typing import Any

from service.admission.turns import Turns


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Entry:
    """Notes what became of it."""

    def __init__(self, number: int, told: list[tuple[int, str]], *, faulty: bool = False) -> None:
        self.number, self.timeout_s, self._told, self._faulty = number, 10.0, told, faulty

    def begin(self) -> None:
        self._told.append((self.number, "begun"))
        if self._faulty:
            raise RuntimeError("a fault of ours")

    def expire(self) -> None:
        self._told.append((self.number, "expired"))


def tenth(timeout_s: float) -> float:
    return timeout_s / 10


async def test_a_turn_begins_so_many_and_the_next_ones_the_rest_in_order() -> None:
    turns, told = Turns(3, tenth), list[tuple[int, str]]()
    for number in range(8):
        turns.enter(Entry(number, told))
    assert [number for number, _ in told] == [0, 1, 2]
    assert len(turns.waiting) == 5
    await asyncio.sleep(0)
    assert [number for number, _ in told] == [0, 1, 2, 3, 4, 5]
    await asyncio.sleep(0)
    assert told == [(number, "begun") for number in range(8)]


async def test_nobody_overtakes_those_who_wait() -> None:
    turns, told = Turns(1, tenth), list[tuple[int, str]]()
    turns.enter(Entry(0, told))
    turns.enter(Entry(1, told))
    await asyncio.sleep(0)  # its turn
    turns.enter(Entry(2, told))
    turns.enter(Entry(3, told))
    for _ in range(3):
        await asyncio.sleep(0)
    assert [number for number, _ in told] == [0, 1, 2, 3]


async def test_a_turn_that_is_over_leaves_room_at_once() -> None:
    turns, told = Turns(2, tenth), list[tuple[int, str]]()
    for first in (0, 2, 4):
        turns.enter(Entry(first, told))
        turns.enter(Entry(first + 1, told))
        assert not turns.waiting
        await asyncio.sleep(0)
    assert len(told) == 6


async def test_whose_turn_comes_too_late_expires_and_takes_no_place() -> None:
    clock, told = Clock(), list[tuple[int, str]]()
    turns = Turns(1, tenth, clock)
    for number in range(3):
        turns.enter(Entry(number, told))
    clock.now += 1.5  # a tenth of 10 s is 1 s
    turns.enter(Entry(3, told))
    await asyncio.sleep(0)
    assert told == [(0, "begun"), (1, "expired"), (2, "expired"), (3, "begun")]


async def test_what_one_raises_is_the_loop_s_to_hear_and_the_others_go_on() -> None:
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    turns, told = Turns(2, tenth), list[tuple[int, str]]()
    turns.enter(Entry(0, told))
    turns.enter(Entry(1, told))
    turns.enter(Entry(2, told, faulty=True))
    turns.enter(Entry(3, told))
    await asyncio.sleep(0)
    assert len(told) == 4
    assert [str(context["exception"]) for context in heard] == ["a fault of ours"]
