"""Deadlines: what a request is given up for, and what the clock of all requests counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.admission import deadlines as module
from service.admission.deadlines import Deadline, Deadlines
from service.errors import BodyTimeout, DeadlineExceeded

LONG_S = 60.0
NEVER_S = 3600.0
SHORT_S = 0.01


class Client:
    """Says nothing until it hangs up; notes whether it is listened to."""

    def __init__(self, *messages: Message) -> None:
        self._messages = [*messages]
        self.listened, self.left, self.gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def receive(self) -> Message:
        self.listened.set()
        if self._messages:
            return self._messages.pop(0)
        try:
            await self.gone.wait()
        finally:
            self.left.set()
        return {"type": "http.disconnect"}


class Looks:
    """Counts looks, and waits for further ones."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    def __call__(self) -> None:
        self.count += 1
        for count, event in self._waiting:
            if self.count >= count:
                event.set()

    async def more(self, looks: int) -> None:
        event = asyncio.Event()
        self._waiting.append((self.count + looks, event))
        await asyncio.wait_for(event.wait(), LONG_S)


@pytest.fixture
def look_s(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time between two looks."""

    def set_it(seconds: float) -> None:
        monkeypatch.setattr(module, "LOOK_S", seconds)

    return set_it


async def answer(
    deadlines: Deadlines,
    client: Client,
    *,
    timeout_s: float = LONG_S,
    body_timeout_s: float = LONG_S,
    began: Callable[[Deadline], None] = Deadline.body_is_read,
    answered: asyncio.Event | None = None,
) -> None:
    """Be a request that waits for its answer, as `verbs.answering` is. Raises what it is given up for."""
    deadline = deadlines.begin(client.receive, time.monotonic() + timeout_s, body_timeout_s)
    try:
        began(deadline)
        await asyncio.wait_for((answered or asyncio.Event()).wait(), LONG_S)
    except asyncio.CancelledError:
        if deadline.reason is None:
            raise
        raise deadline.reason() from None
    finally:
        deadlines.end(deadline)


def reading(deadline: Deadline) -> None:
    """Seven bytes of the body have come."""
    deadline.wait_for_body()
    deadline.received(7)


async def test_a_deadline_before_the_next_look_is_kept_by_a_timer(look_s: Callable[[float], None]) -> None:
    look_s(NEVER_S)
    looks = Looks()
    with pytest.raises(DeadlineExceeded):
        await answer(Deadlines(looks), Client(), timeout_s=SHORT_S, began=reading)
    assert looks.count == 0


@pytest.mark.parametrize("timeout_s", [SHORT_S, 3 * module.LOOK_S])
async def test_a_request_is_given_up_once_its_deadline_has_passed(timeout_s: float) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await answer(Deadlines(), Client(), timeout_s=timeout_s)
    assert time.monotonic() - started >= timeout_s


@pytest.mark.parametrize("body_timeout_s", [SHORT_S, 3 * module.LOOK_S])
async def test_a_late_body_is_told_what_came_of_it(body_timeout_s: float) -> None:
    with pytest.raises(BodyTimeout) as refused:
        await answer(Deadlines(), Client(), body_timeout_s=body_timeout_s, began=reading)
    assert refused.value.detail == f"the body did not arrive within {body_timeout_s:g} s; 7 bytes came"
    assert refused.value.headers["Connection"] == "close"


async def test_a_body_that_was_read_in_time_is_late_no_more() -> None:
    with pytest.raises(DeadlineExceeded):
        await answer(Deadlines(), Client(), timeout_s=3 * module.LOOK_S, body_timeout_s=SHORT_S)


@pytest.mark.parametrize("timeout_s", [SHORT_S, 3 * module.LOOK_S])
async def test_a_body_that_nobody_waits_for_is_never_late(timeout_s: float) -> None:
    """A version loads first, or a pool is full: that is the service's own time."""
    with pytest.raises(DeadlineExceeded):
        await answer(Deadlines(), Client(), timeout_s=timeout_s, body_timeout_s=timeout_s / 2, began=lambda _: None)


async def test_a_body_has_all_its_time_from_when_it_is_waited_for() -> None:
    begun = list[Deadline]()
    waiting = asyncio.ensure_future(answer(Deadlines(), Client(), body_timeout_s=SHORT_S, began=begun.append))
    await asyncio.sleep(5 * SHORT_S)
    asked = time.monotonic()
    begun[0].wait_for_body()
    with pytest.raises(BodyTimeout):
        await waiting
    assert time.monotonic() - asked >= SHORT_S


@pytest.mark.parametrize("body_timeout_s", [SHORT_S, 3 * module.LOOK_S])
async def test_a_body_is_not_late_where_the_event_loop_stood_still(body_timeout_s: float) -> None:
    """What had come meanwhile could not be read."""
    begun = list[Deadline]()

    def began(deadline: Deadline) -> None:
        deadline.wait_for_body()
        begun.append(deadline)

    answered = asyncio.Event()
    waiting = asyncio.ensure_future(
        answer(Deadlines(), Client(), body_timeout_s=body_timeout_s, began=began, answered=answered)
    )
    await asyncio.sleep(0)
    time.sleep(body_timeout_s + 2 * module.LOOK_S)  # noqa: ASYNC251 - this is the fault
    await asyncio.sleep(SHORT_S)  # the loop reads on
    begun[0].body_is_read()
    answered.set()
    await waiting


async def test_a_body_may_not_come_after_the_deadline_either() -> None:
    with pytest.raises(DeadlineExceeded):
        await answer(Deadlines(), Client(), timeout_s=SHORT_S, body_timeout_s=LONG_S, began=reading)


async def test_who_hangs_up_is_not_worked_for(look_s: Callable[[float], None]) -> None:
    look_s(SHORT_S)
    client = Client({"type": "http.request", "body": b"", "more_body": False})  # what was left of the body
    waiting = asyncio.ensure_future(answer(Deadlines(), client))
    await asyncio.wait_for(client.listened.wait(), LONG_S)
    assert not waiting.done()
    client.gone.set()
    with pytest.raises(ClientDisconnect):
        await waiting


async def test_a_client_is_listened_to_from_the_second_look_on(look_s: Callable[[float], None]) -> None:
    look_s(NEVER_S)  # but by this test
    deadlines, client = Deadlines(), Client()
    now = time.monotonic()
    deadline = deadlines.begin(client.receive, now + 2 * NEVER_S, 2 * NEVER_S)
    deadline.body_is_read()
    deadline.look(now)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not client.listened.is_set()
    deadline.look(now)
    await asyncio.wait_for(client.listened.wait(), LONG_S)
    deadlines.end(deadline)


async def test_nobody_listens_while_the_body_is_read(look_s: Callable[[float], None]) -> None:
    look_s(SHORT_S)
    looks, client, begun = Looks(), Client(), list[Deadline]()
    waiting = asyncio.ensure_future(answer(Deadlines(looks), client, began=begun.append))
    await looks.more(4)
    assert not client.listened.is_set()
    begun[0].body_is_read()
    await asyncio.wait_for(client.listened.wait(), LONG_S)
    client.gone.set()
    with pytest.raises(ClientDisconnect):
        await waiting


async def test_an_answered_request_is_not_listened_to_any_longer(look_s: Callable[[float], None]) -> None:
    look_s(SHORT_S)
    client, answered, begun = Client(), asyncio.Event(), list[Deadline]()

    def began(deadline: Deadline) -> None:
        deadline.body_is_read()
        begun.append(deadline)

    waiting = asyncio.ensure_future(answer(Deadlines(), client, began=began, answered=answered))
    await asyncio.wait_for(client.listened.wait(), LONG_S)
    answered.set()
    await waiting
    await asyncio.wait_for(client.left.wait(), LONG_S)
    assert begun[0].reason is None


async def test_an_answered_request_is_not_given_up_afterwards(look_s: Callable[[float], None]) -> None:
    look_s(NEVER_S)  # every deadline has its timer at once
    deadlines = Deadlines()
    first = deadlines.begin(Client().receive, time.monotonic() + SHORT_S, LONG_S)
    deadlines.end(first)
    with pytest.raises(DeadlineExceeded):  # this task's next request
        await answer(deadlines, Client(), timeout_s=2 * SHORT_S, began=reading)
    assert first.reason is None


async def test_requests_are_counted_while_they_last_and_when_they_are_over() -> None:
    deadlines, client = Deadlines(), Client()
    until = time.monotonic() + LONG_S
    one, two = (deadlines.begin(client.receive, until, LONG_S) for _ in range(2))
    assert (deadlines.requests, deadlines.ended) == ({one, two}, 0)
    deadlines.end(one)
    deadlines.end(one)  # a request that is refused is over before its body is
    assert (deadlines.requests, deadlines.ended) == ({two}, 1)
    deadlines.end(two)
    assert (deadlines.requests, deadlines.ended) == (set(), 2)


async def test_looks_go_on_while_there_are_requests_and_once_after_the_last(look_s: Callable[[float], None]) -> None:
    look_s(SHORT_S)
    looks, client = Looks(), Client()
    deadlines = Deadlines(looks)
    for _ in range(2):  # and begin again with the next request
        deadline = deadlines.begin(client.receive, time.monotonic() + LONG_S, LONG_S)
        await looks.more(2)
        deadlines.end(deadline)
        last = looks.count + 1
        await looks.more(1)
        await asyncio.sleep(5 * SHORT_S)
        assert looks.count == last


async def test_a_moment_without_requests_is_known_at_the_next_look(look_s: Callable[[float], None]) -> None:
    look_s(SHORT_S)
    seen: list[bool] = []
    looks = Looks()

    def on_look() -> None:
        seen.append(deadlines.rested)
        looks()

    deadlines, client = Deadlines(on_look), Client()
    until = time.monotonic() + LONG_S
    assert deadlines.rested
    first = deadlines.begin(client.receive, until, LONG_S)
    await looks.more(2)
    assert seen[0]  # before the first
    second = deadlines.begin(client.receive, until, LONG_S)
    deadlines.end(first)
    await looks.more(2)
    assert not any(seen[1:])  # there always was one
    seen.clear()
    deadlines.end(second)
    third = deadlines.begin(client.receive, until, LONG_S)
    await looks.more(2)
    assert seen[0]
    assert not any(seen[1:])
    deadlines.end(third)


async def test_a_request_is_answered_in_a_task() -> None:
    deadlines, raised = Deadlines(), asyncio.get_running_loop().create_future()

    def begin() -> None:
        try:
            deadlines.begin(Client().receive, time.monotonic() + LONG_S, LONG_S)
        except RuntimeError as error:
            raised.set_result(str(error))

    asyncio.get_running_loop().call_soon(begin)
    assert await raised == "a request is answered in a task"
    assert not deadlines.requests
