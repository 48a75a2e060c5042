"""A request of one call of the engine, answered without a task of its own.

Most requests are one array for one half of a model. Between their body and their answer only the engine can be waited
for, so they need no coroutine: they are begun by one function and finished by another, which the queue calls. Whatever
else a request may ask for goes the way of `exchange.respond`; what both do is done by the same functions, in the same
order, with the same errors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect

from service.admission.deadlines import LOOK_S
from service.batching import Answer
from service.errors import DeadlineExceeded
from service.fast_path.known_heads import Asked
from service.models.served_model import Clock, ServedModel
from service.observability.request_record import Exchange
from service.verbs.answering import (
    INLINE_ANSWER_BYTES,
    INLINE_BYTES,
    Reply,
    Services,
    Verb,
    check_fields,
    headers_of,
    queue_full,
)
from service.verbs.call import Call, OneCall
from service.wire.head import Head
from service.wire.json_body import parse_only_array
from service.wire.negotiation import JSON, NPY
from service.wire.npy_body import parse_npy
from service.wire.payload import Payload
from service.wire.replies import render_json, render_npy

Done = Callable[[Reply | Exception], None]


def begin_at_once(
    asked: Asked, client: object, body: bytes, services: Services, exchange: Exchange, done: Done
) -> AtOnce | None:
    """Begin a request whose body is there; `done` is called once, later, with its answer or what was raised.

    `client` is the address at the other end of its connection. None where it needs more than one call of the engine:
    nothing has been done then. Raises ServiceError.
    """
    head, verb = asked.head, asked.posted.verb
    if verb.once is None or head.has_options or b"content-encoding" in head.headers:
        return None
    clock = Clock(exchange.started + asked.timeout_s)
    model = services.registry.lease(head.model)
    if model is None:
        return None
    begun = None
    try:
        begun = _begun(model, verb, verb.once, head, body, services, exchange, clock, done)
    finally:
        if begun is None:
            model.release()
    if begun is not None:
        begun.wait(services, client)
    return begun


def _begun(
    model: ServedModel,
    verb: Verb[Any],
    once: OneCall,
    head: Head,
    body: bytes,
    services: Services,
    exchange: Exchange,
    clock: Clock,
    done: Done,
) -> AtOnce | None:
    exchange.model = model.reference
    if model.refuses(verb.half):
        raise queue_full()
    media_type = head.answer_type(verb.offers(model), picture_first=verb.picture_first)
    body_type = head.body_type(verb.bodies)
    if media_type not in (JSON, NPY) or len(body) > services.settings.max_body_bytes:
        return None
    started = time.perf_counter()
    payload = _parsed(body, body_type)
    if payload is None:
        return None
    if body_type == JSON:
        check_fields(payload, verb)
    clock.parse_s = time.perf_counter() - started
    call = Call(model, payload, services.settings, clock)
    rows = once.begin(call)
    if len(next(iter(rows.values()))) * model.answer_bytes(verb.half) > INLINE_ANSWER_BYTES:
        return None
    return AtOnce(verb, once, call, rows, media_type, exchange, done)


def _parsed(body: bytes, body_type: str) -> Payload | None:
    if body_type == NPY:
        return parse_npy(body)
    return parse_only_array(body) if body_type == JSON and len(body) <= INLINE_BYTES else None


class AtOnce:
    """A request that waits for its call: one of those that the service's clock looks after."""

    __slots__ = ("_call", "_done", "_exchange", "_job", "_media_type", "_once", "_rows", "_services", "_timer", "_verb")

    def __init__(
        self,
        verb: Verb[Any],
        once: OneCall,
        call: Call,
        rows: dict[str, Any],
        media_type: str,
        exchange: Exchange,
        done: Done,
    ) -> None:
        self._verb, self._once, self._call, self._rows = verb, once, call, rows
        self._media_type, self._exchange, self._done = media_type, exchange, done
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, services: Services, client: object) -> None:
        """Queue the rows. Raises Overloaded or ShuttingDown."""
        call, self._services = self._call, services
        services.watch.add(self, call.clock.deadline)
        call.clock.alone = services.watch.alone(client)
        try:
            self._job = call.model.submit(self._verb.half, self._rows, call.clock)
        except Exception:
            self._leave()
            raise
        if self._job.answer.done():
            self._answered()
        else:
            self._job.listener = self._answered

    def hang_up(self) -> None:
        """The client has gone."""
        self._give_up(ClientDisconnect())

    def look(self, now: float) -> None:
        """Take care of a deadline that falls before the next look."""
        left_s = self._call.clock.deadline - now
        if self._timer is None and left_s <= LOOK_S:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left_s), self._expire)

    def end(self) -> None:
        """The answer is there."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        self._timer = None
        if time.monotonic() < self._call.clock.deadline:  # the loop's clock runs ahead of ours
            self.look(time.monotonic())
        else:
            self._give_up(DeadlineExceeded("the answer was not ready before the request's deadline"))

    def _give_up(self, why: Exception) -> None:
        if self._job.answer.done():
            return  # it was answered, or is just now
        self._job.listener = None
        self._job.answer.cancel()
        self._call.model.forget(self._verb.half, self._job)
        self._leave()
        self._done(why)

    def _answered(self) -> None:
        try:
            reply = self._reply(self._job.answer.result())
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            self._leave()
            self._done(error)
            return
        self._leave()
        self._done(reply)

    def _reply(self, answer: Answer) -> Reply:
        call = self._call
        rows = call.model.taken(self._verb.half, self._rows, answer, call.clock)
        result = self._once.finish(call, rows)
        self._exchange.items = result.items
        started = time.perf_counter()
        if self._media_type == NPY:
            content = render_npy(result.fields[result.main])
        else:
            content = render_json({"model": result.model, **result.all_fields()})
        call.clock.render_s = time.perf_counter() - started
        return Reply(content, headers_of(result, self._media_type, len(content), call.clock))

    def _leave(self) -> None:
        self._services.watch.end(self)
        self._call.model.release()
