"""When a request is refused before it is begun, and when it waits for its turn."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from service.admission import load_shedding as congested
from service.admission.deadlines import Watch
from service.admission.load_shedding import Begin, Congestion

A_SECOND = 1.0


@pytest.fixture(autouse=True)
def a_turn_may_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a few hundred calls are no long turn."""
    monkeypatch.setattr(congested, "_LONG_TURN_S", 60.0)


class Clock:
    """In place of the time module: stands still until it is moved."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(congested, "time", made)
    return made


def saturated(answers: int, refusals: int = 0) -> Congestion:
    """So many answers and refusals in every 0.1 s."""
    congestion = Congestion()
    for _ in range(40):
        congestion.answered += answers
        congestion.refused += refusals
        congestion.look(0.1, busy=True)
    return congestion


def begin(congestion: Congestion, begin: Begin, refuse: Begin, timeout_s: float) -> None:
    """As a connection does with a request that was not refused."""
    congestion.measure()
    if congestion.begins_now():
        begin()
    else:
        congestion.waits(begin, refuse, timeout_s)


def test_nobody_is_refused_where_nothing_waits() -> None:
    assert not Congestion().refuses(0, 0.001)
    assert not Congestion().refuses(64, 0.001)  # 10 ms: too short to be known


def test_who_waits_may_take_a_tenth_of_the_time() -> None:
    congestion = saturated(100)  # one answer a millisecond
    assert not congestion.refuses(75, A_SECOND)
    assert congestion.refuses(125, A_SECOND)
    assert not congestion.refuses(125, 30.0)


def test_while_others_are_refused_no_more_waits_than_keeps_the_engine_busy(clock: Clock) -> None:
    congestion = saturated(1000)  # ten answers a millisecond
    assert not congestion.refuses(900, A_SECOND)  # a burst
    assert congestion.refuses(1100, A_SECOND)
    assert congestion.refuses(120, A_SECOND)
    assert congestion.refuses(120, 0.5)
    assert not congestion.refuses(120, 2.0)  # it has more time than anybody who was refused
    assert not congestion.refuses(80, A_SECOND)
    clock.now += 0.55
    assert not congestion.refuses(900, A_SECOND)


@pytest.mark.parametrize(("long_turn_s", "leaves_time"), [(0.002, True), (60.0, False)])
async def test_while_others_are_refused_a_turn_is_as_long_as_the_parts_that_it_answers_in(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, long_turn_s: float, leaves_time: bool
) -> None:
    monkeypatch.setattr(congested, "_LONG_TURN_S", long_turn_s)
    congestion = saturated(1000)  # ten answers a millisecond
    assert congestion.refuses(1100, A_SECOND)
    congestion.measure()
    for _ in range(3):
        clock.now += 0.0022
        congestion.measure()
    await asyncio.sleep(0)
    assert congestion.refuses(30, A_SECOND) is not leaves_time
    assert congestion.refuses(60, A_SECOND)  # 4.4 ms and 6 ms


def test_a_hiccup_is_over_although_more_waits_than_while_others_are_refused(clock: Clock) -> None:
    congestion = saturated(1000)  # ten answers a millisecond
    assert congestion.refuses(1100, A_SECOND)
    for _ in range(12):
        congestion.answered += 500
        congestion.refuses(120, A_SECOND)  # one that has come back
        congestion.look(0.05, busy=True)
        clock.now += 0.05
    assert not congestion.refuses(120, A_SECOND)


def test_it_is_overloaded_for_as_long_as_many_are_refused(clock: Clock) -> None:
    congestion = saturated(1000)
    assert congestion.refuses(1100, A_SECOND)
    for _ in range(12):
        congestion.answered += 500
        for _ in range(100):
            congestion.refuses(120, A_SECOND)
        congestion.look(0.05, busy=True)
        clock.now += 0.05
    assert congestion.refuses(120, A_SECOND)


def test_while_others_are_refused_slow_answers_may_wait_for_one_another() -> None:
    congestion = saturated(100)  # one a millisecond
    assert congestion.refuses(125, A_SECOND)
    assert not congestion.refuses(90, A_SECOND)
    assert congestion.refuses(98, A_SECOND)


def test_refusals_count_for_less_than_answers() -> None:
    congestion = saturated(50, 125)  # 50 + 0.4 · 125: again one a millisecond
    assert not congestion.refuses(75, A_SECOND)
    assert congestion.refuses(125, A_SECOND)


def test_an_idle_clock_makes_the_pace_no_slower() -> None:
    congestion = saturated(100)
    for _ in range(40):
        congestion.answered += 1
        congestion.look(0.1, busy=False)
    assert not congestion.refuses(75, A_SECOND)
    assert congestion.refuses(125, A_SECOND)


def never() -> None:
    raise AssertionError("nobody is refused here")


def test_a_pace_that_was_learnt_while_all_stood_still_is_unlearnt_by_an_idle_clock() -> None:
    congestion = Congestion()
    congestion.answered += 1
    congestion.look(60.0, busy=True)
    assert congestion.refuses(1, A_SECOND)
    congestion.answered += 20  # one at a time, since nobody else is let in
    congestion.look(0.05, busy=False)
    assert not congestion.refuses(30, A_SECOND)


async def test_answers_of_idle_times_are_not_counted_to_busy_ones() -> None:
    watch = Watch()
    watch.congestion.answered += 1000
    watch._tick()
    watch.congestion.answered += 1
    watch.congestion.look(0.1, busy=True)
    assert watch.congestion.refuses(20, A_SECOND)


async def test_turns_that_take_long_leave_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(congested, "_OVERLOAD_S", 0.0)
    congestion = Congestion()
    begin(congestion, partial(stand_still, 0.15), never, A_SECOND)  # as reading from thousands of sockets does
    await asyncio.sleep(0)
    assert congestion.refuses(1, A_SECOND)  # two such turns
    assert not congestion.refuses(1, 10.0)
    assert not congestion.refuses(0, A_SECOND)  # nobody is before it: there will be no such turn
    begin(congestion, lambda: None, never, A_SECOND)
    await asyncio.sleep(0)
    assert not congestion.refuses(1, A_SECOND)


async def test_a_turn_that_takes_long_already_leaves_no_time() -> None:
    congestion = Congestion()
    begin(congestion, partial(stand_still, 0.15), never, A_SECOND)
    assert congestion.refuses(1, A_SECOND)  # in the same turn
    assert not congestion.refuses(1, 10.0)


async def test_what_a_long_turn_has_begun_does_not_wait_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(congested, "_LONG_TURN_S", 0.2)
    congestion = Congestion()
    begun: list[int] = []
    flushed: list[int] = []
    congestion.after_turn = lambda: flushed.append(len(begun))
    for number in range(200):
        begin(congestion, partial(begun.append, number), never, 10.0)
    assert (len(begun), flushed) == (128, [])
    stand_still(0.25)
    begin(congestion, partial(begun.append, 200), never, A_SECOND)
    assert (len(begun), flushed) == (201, [200])
    assert begun == list(range(201))


async def test_a_long_turn_is_forgotten() -> None:
    congestion = Congestion()
    begin(congestion, partial(stand_still, 0.15), never, A_SECOND)
    await asyncio.sleep(0.6)
    assert not congestion.refuses(1, A_SECOND)


async def begun_by_turns(congestion: Congestion, begun: list[int], requests: int) -> list[int]:
    """How many of so many that come at once have been begun after each turn; `begun` gets their numbers."""
    for number in range(requests):
        begin(congestion, partial(begun.append, number), never, A_SECOND)
    counts = [len(begun)]
    while counts[-1] < requests:
        await asyncio.sleep(0)
        counts.append(len(begun))
    return counts


async def test_what_is_begun_in_a_turn_is_bounded_and_in_order() -> None:
    congestion = Congestion()
    begun: list[int] = []
    flushed: list[int] = []
    congestion.after_turn = lambda: flushed.append(len(begun))
    assert await begun_by_turns(congestion, begun, 300) == [128, 256, 300]
    assert flushed == [256, 300]
    assert begun == list(range(300))


async def test_while_others_are_refused_turns_are_short() -> None:
    congestion = saturated(1000)  # ten answers a millisecond
    assert congestion.refuses(1100, A_SECOND)
    assert await begun_by_turns(congestion, [], 80) == [32, 64, 80]


async def test_however_long_turns_are_some_are_begun_in_each_of_their_parts(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(congested, "_LONG_TURN_S", 0.01)
    congestion = saturated(1000)  # ten answers a millisecond
    congestion.measure()
    for _ in range(20):  # each of them is answered in
        clock.now += 0.011
        congestion.measure()
    assert not congestion.refuses(23, A_SECOND)  # the turn takes 220 ms, a part of it 11
    assert congestion.refuses(24, A_SECOND)
    clock.now += 0.06
    assert congestion.refuses(1, A_SECOND)  # this part has taken too long
    await asyncio.sleep(0)


async def test_who_has_no_more_time_than_one_that_was_refused_is_refused_until_the_next_answer() -> None:
    watch, congestion = Watch(), saturated(10)  # ten milliseconds an answer
    watch.congestion, now = congestion, time.monotonic()
    for _ in range(60):
        congestion.waits(lambda: None, never, 30.0)
    before = congestion.refused
    assert not congestion.still_refuses(A_SECOND, now)
    assert watch.refuses(A_SECOND)
    assert congestion.still_refuses(A_SECOND, now)
    assert congestion.still_refuses(0.5, now)
    assert not congestion.still_refuses(2.0, now)
    assert not congestion.still_refuses(A_SECOND, now + 61.0)  # this part of the turn is over
    assert congestion.refused == before + 3
    congestion.one_answered()
    assert not congestion.still_refuses(0.5, now)
    assert watch.refuses(A_SECOND)
    await asyncio.sleep(0)
    assert not congestion.still_refuses(0.5, now)  # the next turn finds out for itself


async def test_one_that_raises_does_not_take_others_with_it() -> None:
    congestion, begun, raised = Congestion(), list[int](), list[object]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: raised.append(context))

    def fail() -> None:
        raise ArithmeticError

    for number in range(128):
        begin(congestion, partial(begun.append, number), never, A_SECOND)
    begin(congestion, fail, never, A_SECOND)
    for number in range(128, 300):
        begin(congestion, partial(begun.append, number), never, A_SECOND)
    for _ in range(6):
        await asyncio.sleep(0)
    assert (begun, len(raised)) == (list(range(300)), 1)


async def test_one_that_raises_in_the_turn_of_another_is_not_the_others_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    congestion, begun, raised = Congestion(), list[int](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))

    def fail() -> None:
        raise ArithmeticError

    for number in range(128):
        begin(congestion, partial(begun.append, number), never, 10.0)
    begin(congestion, fail, never, 10.0)
    monkeypatch.setattr(congested, "_LONG_TURN_S", 0.0)
    begin(congestion, partial(begun.append, 128), never, 10.0)
    assert (begun, len(raised)) == (list(range(129)), 1)


async def test_who_has_waited_too_long_for_a_turn_is_refused() -> None:
    congestion = Congestion()
    begun: list[int] = []
    refused: list[int] = []
    for number in range(130):
        begin(congestion, partial(begun.append, number), partial(refused.append, number), A_SECOND)
    stand_still(0.25)
    await asyncio.sleep(0)
    assert (begun, refused) == (list(range(128)), [128, 129])


def stand_still(seconds: float) -> None:
    """As an event loop does that has too much to read."""
    time.sleep(seconds)
