"""Answers one request of a verb, step by step: model, Accept, body, options, verb, rendering.

Called by FastAPI's routes (`routes/answer.py`) and by the fast path (`fast_path/dispatch.py`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from starlette.types import Receive

from service.admission import Admission
from service.admission.deadlines import Deadline
from service.errors import InvalidValue, Overloaded
from service.limits import InFlightBytes, Pools
from service.models import Registry
from service.models.served_model import Clock, ServedModel
from service.observability.access_log import RequestRecord
from service.settings import Settings
from service.verbs.cache_headers import cache_headers_of
from service.verbs.call import Call, Result
from service.verbs.options import O, PictureOptions, read_options
from service.verbs.rendering import INLINE_ANSWER_BYTES, render
from service.verbs.verb import Verb
from service.wire import replies
from service.wire.bodies import INLINE_ARRAY_BYTES, parse_body
from service.wire.body import body_type_of, read_body
from service.wire.caching import CacheHeaders, Precondition
from service.wire.head import Head
from service.wire.json_arrays import parse_only_array, write_json
from service.wire.negotiation import ARRAYS, JPEG, JSON, PNG
from service.wire.payload import Payload


@dataclass(frozen=True)
class Services:
    """The objects that answering a request needs; one set for each application."""

    settings: Settings
    registry: Registry
    admission: Admission
    pools: Pools
    in_flight: InFlightBytes


class Source(Protocol):
    """Gives a request's body, and tells when the client hangs up."""

    body: bytes | None
    """The whole body, where it has already arrived; else None."""
    held_bytes: int
    """Bytes of the body that are counted in `InFlightBytes`; the answer to the request gives them back."""

    @property
    def receive(self) -> Receive:
        """ASGI's receive: messages with pieces of the body, then `http.disconnect`."""


@dataclass(slots=True)
class Reply:
    """The response to a request: status, headers and body."""

    content: bytes
    headers: list[tuple[bytes, bytes]]
    status: int = 200


def too_late() -> Overloaded:
    """The error of a request that is refused because it would wait too long."""
    return Overloaded("more is waiting than can be answered before the request's deadline")


async def respond(
    head: Head, source: Source, services: Services, verb: Verb[O], record: RequestRecord, timeout_s: float
) -> Reply:
    """Answer one request of a verb, within `timeout_s` of its start. Raises ServiceError or ClientDisconnect."""
    clock = Clock(record.started + timeout_s, held_bytes=source.held_bytes)
    source.held_bytes, deadlines = 0, services.admission.deadlines
    deadline = deadlines.begin(source.receive, clock.deadline, services.settings.body_timeout_s)
    model = None
    try:
        if len(head.models) > 1:  # nearly never: the usual request spares the call
            head.check_model()
        model = services.registry.resolved.get(head.model)
        if model is None:
            model = await services.registry.get(head.model, clock)
        else:
            model.leases += 1
        return await _respond(model, head, source, services, verb, record, clock, deadline)
    except asyncio.CancelledError:
        if deadline.reason is None:
            raise
        asyncio.current_task().uncancel()  # type: ignore[union-attr]
        raise deadline.reason() from None
    finally:
        deadlines.end(deadline)
        if clock.held_bytes:
            services.in_flight.change(-clock.held_bytes)
        if model is not None:
            model.release()


async def _respond(
    model: ServedModel,
    head: Head,
    source: Source,
    services: Services,
    verb: Verb[O],
    record: RequestRecord,
    clock: Clock,
    deadline: Deadline,
) -> Reply:
    settings = services.settings
    record.model = model.reference
    model.check_room(verb.half, len(source.body) if source.body is not None else head.body_bytes() or 0)
    offers = verb.with_pictures if model.manifest.input.kind == "image" else ARRAYS
    answered_as = head.answer_type(head.accept, offers, verb.picture_first)
    started = time.perf_counter()
    payload = _NOTHING
    if verb.bodies:
        body_type = JSON if head.content_type == _JSON_HEADER else body_type_of(head, verb.bodies)
        body = await _read(head, source, services, deadline, clock)
        started = time.perf_counter()
        alone = parse_only_array(body) if body_type == JSON and len(body) <= INLINE_ARRAY_BYTES else None
        payload = alone or await parse_body(
            body, body_type, head.content_type, settings.max_items, model.item_numbers, services.pools, clock.deadline
        )
    else:
        deadline.body_is_read()
    if payload.images is not None or not verb.known_fields.issuperset(payload.arrays):
        verb.check_fields(payload)
    query = head.options
    if payload.options or query:
        options = read_options(verb.options, payload.options, query, verb.fields)
    else:
        options = verb.defaults
    if isinstance(options, PictureOptions) and options.as_ is not None and model.manifest.input.kind != "image":
        raise InvalidValue.at(["as"], "this model has no pictures", expected="no 'as'", got="'png'")
    clock.parse_s = time.perf_counter() - started
    keeping = None if verb.repeats is None else cache_headers_of(verb, options, model, answered_as, head, settings)
    if keeping is not None and Precondition(head).names(keeping):
        return Reply(b"", keeping.raw_headers, 304)
    names = frozenset(name for name, _ in query) if query else _NO_NAMES
    call = Call(model, payload, settings, clock, services.pools, services.in_flight, in_query=names)
    result = await verb.run(call, options)
    record.items = result.items
    started = time.perf_counter()
    as_png = isinstance(options, PictureOptions) and options.as_ is not None
    if answered_as == JSON and not as_png and result.fields[result.main].nbytes <= INLINE_ANSWER_BYTES:
        content = write_json({"model": result.model, **result.all_fields()})
    else:
        content = await render(result, answered_as, options, call)
    clock.render_s = time.perf_counter() - started
    if keeping is not None and Precondition(head).holds(keeping):
        return Reply(b"", keeping.raw_headers, 304)
    return Reply(content, _headers_of(result, answered_as, len(content), clock, keeping))


_JSON_HEADER = b"application/json"  # which every verb with a body reads
_NOTHING = Payload(source="none")
_NO_NAMES: frozenset[str] = frozenset()


# -- in ----------------------------------------------------------------------------------------------------


async def _read(head: Head, source: Source, services: Services, deadline: Deadline, clock: Clock) -> bytes:
    body, most = source.body, services.settings.max_body_bytes
    if body is None or len(body) > most or head.content_encoding is not None:
        deadline.wait_for_body()
        hold = partial(services.in_flight.reserve, clock)
        body = await read_body(source.receive, head, max_bytes=most, came=deadline.received, hold=hold)
    deadline.body_is_read()
    return body


# -- out ---------------------------------------------------------------------------------------------------


_VARY = [(b"vary", b"Accept")]
_MEDIA_TYPES = {name: name.encode() for name in (*ARRAYS, PNG, JPEG, *replies.MOVING)}


def _headers_of(
    result: Result, answered_as: str, size: int, clock: Clock, keeping: CacheHeaders | None
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, without those that the server adds to every answer."""
    timing = (1e3 * clock.parse_s, 1e3 * clock.queue_s, 1e3 * clock.infer_s, 1e3 * clock.render_s)
    headers = [
        (b"content-type", _MEDIA_TYPES[answered_as]),
        (b"content-length", b"%d" % size),
        (b"server-timing", b"parse;dur=%.3f, queue;dur=%.3f, infer;dur=%.3f, render;dur=%.3f" % timing),
    ]
    headers += _VARY if keeping is None else keeping.raw_headers
    if "seed" in result.fields:
        headers.append((b"x-latent-seed", b"%d" % result.fields["seed"]))
    if not result.repeatable:
        headers.append((b"cache-control", b"no-store"))
    return headers
