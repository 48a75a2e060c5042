"""When a request is refused before it is begun: numbers in, a verdict out."""

from __future__ import annotations

from service.congestion import Congestion

A_SECOND = 1.0


def saturated(answers: int, refusals: int = 0, *, late_s: float = 0.0, looks: int = 40) -> Congestion:
    """So many answers and refusals in every 0.1 s, the clock that late each time."""
    congestion = Congestion()
    for _ in range(looks):
        congestion.answered += answers
        congestion.refused += refusals
        congestion.look(late_s, 0.1, busy=True)
    return congestion


def test_nobody_is_refused_where_nothing_waits() -> None:
    assert not Congestion().refuses(0, 0.001)
    assert not Congestion().refuses(64, 0.001)  # 10 ms: too short to be known


def test_who_waits_may_take_a_third_of_the_time() -> None:
    congestion = saturated(100)  # one answer a millisecond
    assert not congestion.refuses(300, A_SECOND)
    assert congestion.refuses(400, A_SECOND)
    assert not congestion.refuses(400, 30.0)


def test_refusals_count_for_less_than_answers() -> None:
    congestion = saturated(50, 125)  # 50 + 0.4 · 125: again one a millisecond
    assert not congestion.refuses(300, A_SECOND)
    assert congestion.refuses(400, A_SECOND)


def test_a_loop_that_is_behind_refuses_until_it_has_caught_up() -> None:
    congestion = saturated(1000, late_s=0.5)
    assert congestion.refuses(0, A_SECOND)
    assert not congestion.refuses(0, 10.0)
    congestion.look(0.001, 0.05, busy=False)
    assert not congestion.refuses(0, A_SECOND)
    congestion.look(0.5, 0.5, busy=True)
    congestion.rest()
    assert not congestion.refuses(0, A_SECOND)


def test_an_idle_clock_teaches_nothing_of_the_pace() -> None:
    congestion = saturated(100)
    for _ in range(40):
        congestion.answered += 1
        congestion.look(0.0, 0.1, busy=False)
    assert not congestion.refuses(300, A_SECOND)
    assert congestion.refuses(400, A_SECOND)
