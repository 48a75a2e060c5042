"""Load shedding: when a request is refused before any work. The clock stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from service.admission import Admission
from service.admission.load_shedding import INTERVAL_S, MIN_IN_FLIGHT, STANDING_S, LoadShedder

A_SECOND = 1.0
TICK_S = 0.05


@dataclass
class Clock:
    """Gives the time that it was set to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Loop:
    """A load shedder whose event loop works all the time."""

    answers_a_second: int
    clock: Clock
    shedder: LoadShedder
    answered: int = 0

    def work(self, seconds: float, refused_of_hundred: int = 0, timeout_s: float = A_SECOND) -> None:
        """Answer at full speed, and refuse so many for each hundred answers."""
        for _ in range(round(seconds / TICK_S)):
            answers = round(TICK_S * self.answers_a_second)
            self.answered += answers
            for _ in range(answers * refused_of_hundred // 100):
                self.shedder.record_shed(timeout_s)
            self.clock.now += TICK_S
            self.shedder.measure(self.answered, busy=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def saturated(clock: Clock, answers_a_second: int) -> Loop:
    """After two seconds at full speed."""
    loop = Loop(answers_a_second, clock, LoadShedder(clock, clock))
    loop.work(2.0)
    return loop


def test_an_answer_takes_what_was_measured(clock: Clock) -> None:
    assert saturated(clock, 1000).shedder.seconds_per_answer == pytest.approx(0.001)
    assert saturated(clock, 20_000).shedder.seconds_per_answer == pytest.approx(50e-6)


def test_a_few_in_flight_are_never_refused() -> None:
    shedder = LoadShedder()
    assert not shedder.should_shed(MIN_IN_FLIGHT - 1, 0.001)
    assert shedder.should_shed(MIN_IN_FLIGHT, 0.001)


def test_a_burst_may_wait_for_a_tenth_of_its_time(clock: Clock) -> None:
    """By Little's law: 1 ms an answer, so 100 in flight are 0.1 s."""
    shedder = saturated(clock, 1000).shedder
    assert not shedder.should_shed(99, A_SECOND)
    assert shedder.should_shed(101, A_SECOND)
    assert not shedder.should_shed(101, 30.0)
    assert shedder.should_shed(3001, 30.0)


def test_asking_changes_nothing(clock: Clock) -> None:
    shedder = saturated(clock, 10_000).shedder
    assert shedder.should_shed(5000, A_SECOND)
    assert not shedder.should_shed(900, A_SECOND)


def test_after_a_refusal_no_queue_may_stand(clock: Clock) -> None:
    shedder = saturated(clock, 10_000).shedder
    most = round(STANDING_S * 10_000)
    assert not shedder.should_shed(900, A_SECOND)
    shedder.record_shed(A_SECOND)
    assert shedder.should_shed(900, A_SECOND)
    assert shedder.should_shed(most + 1, A_SECOND)
    assert not shedder.should_shed(most - 1, A_SECOND)
    assert shedder.should_shed(most + 1, 0.5)


def test_who_has_more_time_than_the_refused_may_wait_as_in_a_burst(clock: Clock) -> None:
    shedder = saturated(clock, 10_000).shedder
    shedder.record_shed(A_SECOND)
    assert not shedder.should_shed(900, 2.0)
    shedder.record_shed(2.0)
    assert shedder.should_shed(900, 2.0)


def test_one_refusal_is_over_after_the_interval(clock: Clock) -> None:
    loop = saturated(clock, 10_000)
    loop.shedder.record_shed(A_SECOND)
    loop.work(INTERVAL_S - TICK_S)
    assert loop.shedder.should_shed(900, A_SECOND)
    loop.work(2 * TICK_S)
    assert not loop.shedder.should_shed(900, A_SECOND)


@pytest.mark.parametrize(("refused_of_hundred", "goes_on"), [(5, False), (50, True), (300, True)])
def test_an_overload_goes_on_while_many_are_refused(clock: Clock, refused_of_hundred: int, goes_on: bool) -> None:
    loop = saturated(clock, 10_000)
    loop.shedder.record_shed(A_SECOND)
    loop.work(INTERVAL_S - TICK_S, refused_of_hundred)
    loop.work(TICK_S)
    loop.work(TICK_S, refused_of_hundred=0)
    assert loop.shedder.should_shed(900, A_SECOND) is goes_on


def test_a_long_deadline_that_was_refused_is_forgotten_with_its_overload(clock: Clock) -> None:
    loop = saturated(clock, 10_000)
    loop.shedder.record_shed(30.0)
    loop.work(2 * INTERVAL_S)
    loop.shedder.record_shed(A_SECOND)
    assert not loop.shedder.should_shed(900, 30.0)


def test_an_idle_loop_makes_answers_no_slower(clock: Clock) -> None:
    """It answered one in 50 ms because nobody asked for more."""
    loop = saturated(clock, 1000)
    for _ in range(40):
        loop.answered += 1
        clock.now += TICK_S
        loop.shedder.measure(loop.answered, busy=False)
    assert loop.shedder.seconds_per_answer == pytest.approx(0.001)


def test_what_was_learnt_while_all_stood_still_is_unlearnt_by_an_idle_loop(clock: Clock) -> None:
    loop = saturated(clock, 20)
    for _ in range(3):
        loop.answered += 50
        clock.now += TICK_S
        loop.shedder.measure(loop.answered, busy=False)
    assert loop.shedder.seconds_per_answer == pytest.approx(0.001)


def test_waiting_is_no_work() -> None:
    """Of a second on the clock the process worked a hundredth: the rest it waited, for slow bodies say."""
    clock, cpu = Clock(), Clock()
    shedder = LoadShedder(clock, cpu)
    for answered in range(10, 500, 10):
        clock.now += 1.0
        cpu.now += 0.01
        shedder.measure(answered, busy=True)
    assert shedder.seconds_per_answer == pytest.approx(0.001, rel=0.01)


async def test_in_flight_are_those_that_wait_too() -> None:
    """A burst that is read in one turn of the loop is known before any of it has begun."""

    class Entry:
        timeout_s = A_SECOND

        def begin(self) -> None:
            """Stands for a task that has not run yet."""

        def expire(self) -> None:
            raise AssertionError("there is time")

    admission = Admission(turn_requests=64)
    for _ in range(100):
        admission.turns.enter(Entry())
    assert admission.in_flight == 100
    assert not admission.should_shed(A_SECOND)
    assert admission.should_shed(0.1)
