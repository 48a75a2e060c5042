"""The watchdog's judgement, by a clock of the test's own."""

from __future__ import annotations

import asyncio

from service.workers.heartbeats import Heartbeat
from service.workers.messages import Reload, send
from service.workers.watchdog import Watchdog


def test_who_turns_does_not_stand_still() -> None:
    watchdog = Watchdog(8.0)
    assert watchdog.look_s == 1.0
    assert not any(watchdog.stands_still(beat / 4, 1.0) for beat in range(1, 100))


def test_who_stands_still_is_found_after_the_limit() -> None:
    watchdog = Watchdog(8.0)
    watchdog.stands_still(1.0, 1.0)
    assert [watchdog.stands_still(1.0, 1.0) for _ in range(8)] == [*[False] * 7, True]


def test_a_start_may_take_longer() -> None:
    watchdog = Watchdog(1.0)
    looks = 0
    while not watchdog.stands_still(0.0, 0.125):
        looks += 1
    assert looks * 0.125 >= 119


def test_a_pause_of_the_whole_container_is_nobodys_fault() -> None:
    watchdog = Watchdog(8.0)
    watchdog.stands_still(1.0, 1.0)
    assert not watchdog.stands_still(1.0, 3600.0)


def test_it_can_be_off() -> None:
    watchdog = Watchdog(0.0)
    assert watchdog.look_s is None
    assert not watchdog.stands_still(1.0, 1e9)
    assert not watchdog.stands_still(1.0, 1e9)


async def test_a_loop_that_turns_beats() -> None:
    shared = [0.0, 0.0]
    heartbeat = Heartbeat(shared, 1)
    assert heartbeat.seconds == 0
    heartbeat.begin()
    seen: set[float] = set()
    async with asyncio.timeout(60):
        while len(seen) < 3:
            seen.add(heartbeat.seconds)
            await asyncio.sleep(0.01)
    assert min(seen) > 0
    assert shared[0] == 0
    heartbeat.clear()
    assert heartbeat.seconds == 0


def test_a_message_to_who_does_not_read_is_dropped() -> None:
    import multiprocessing

    here, there = multiprocessing.get_context("spawn").Pipe()
    with here, there:
        sent = 0
        while send(here, Reload("x" * 1000)):
            sent += 1
        assert sent > 1
        for _ in range(sent):
            assert there.recv() == Reload("x" * 1000)
        assert send(here, Reload("again"))
        there.close()
        assert not send(here, Reload("too late"))
    assert not send(here, Reload("closed"))
