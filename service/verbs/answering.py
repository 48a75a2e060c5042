"""Answers one request of a verb, step by step: model, Accept, body, options, verb, rendering.

Called by FastAPI's routes (`routes/answer.py`) and by the fast path (`fast_path/dispatch.py`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import Receive

from service.admission import Admission
from service.admission.deadlines import Deadline
from service.errors import InvalidValue, Overloaded, UnknownOption, UnsupportedMediaType
from service.models import Registry
from service.models.served_model import Clock, ServedModel
from service.observability.access_log import RequestRecord
from service.settings import Settings
from service.verbs.cache_headers import cache_headers_of
from service.verbs.call import Call, Result
from service.verbs.options import InterpolateOptions, O, Options, PictureOptions, read_options
from service.verbs.verb import Verb
from service.wire import replies
from service.wire.body import read_body
from service.wire.caching import CacheHeaders, Precondition
from service.wire.head import Head
from service.wire.image_body import parse_image, parse_multipart
from service.wire.json_arrays import parse_only_array, write_json
from service.wire.json_body import parse_json, parse_object
from service.wire.negotiation import ARRAYS, JPEG, JSON, MULTIPART, NPY, PNG
from service.wire.npy_body import parse_npy
from service.wire.payload import Payload

_INLINE_BODY_BYTES = 512 << 10
"""Bodies up to this size are parsed in the event loop, larger ones in a thread: JSON of this size takes 2 ms."""
_INLINE_ANSWER_BYTES = 128 << 10
"""Answers whose float32 array has up to this size are rendered in the event loop, larger ones in a thread."""


@dataclass(frozen=True)
class Services:
    """The objects that answering a request needs; one set for each application."""

    settings: Settings
    registry: Registry
    admission: Admission


class Source(Protocol):
    """Gives a request's body, and tells when the client hangs up."""

    body: bytes | None
    """The whole body, where it has already arrived; else None."""

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
    clock, deadlines = Clock(record.started + timeout_s), services.admission.deadlines
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
    model.check_room(verb.half)
    offers = verb.with_pictures if model.manifest.input.kind == "image" else ARRAYS
    answered_as = head.answer_type(head.accept, offers, verb.picture_first)
    started = time.perf_counter()
    payload = _NOTHING
    if verb.bodies:
        body_type = _body_type(head, verb)
        body = await _read(head, source, settings, deadline)
        started = time.perf_counter()
        payload = await _parse(body, body_type, head, settings)
    else:
        deadline.body_is_read()
    if payload.source == "json":
        _check_fields(payload, verb)
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
    call = Call(model, payload, settings, clock, in_query=frozenset(name for name, _ in query) if query else _NO_NAMES)
    result = await verb.run(call, options)
    record.items = result.items
    started = time.perf_counter()
    content = await _render(result, answered_as, options)
    clock.render_s = time.perf_counter() - started
    if keeping is not None and Precondition(head).holds(keeping):
        return Reply(b"", keeping.raw_headers, 304)
    return Reply(content, _headers_of(result, answered_as, len(content), clock, keeping))


_NOTHING = Payload(source="none")
_NO_NAMES: frozenset[str] = frozenset()


# -- in ----------------------------------------------------------------------------------------------------


def _body_type(head: Head, verb: Verb[O]) -> str:
    given = head.media_type
    if not given and not head.has_body:
        given = JSON  # a bare POST: the defaults of every option
    if given not in verb.bodies:
        raise UnsupportedMediaType(
            f"the body's Content-Type must be one of {', '.join(verb.bodies)}, not {given[:60] or 'nothing'}"
        )
    return given


async def _read(head: Head, source: Source, settings: Settings, deadline: Deadline) -> bytes:
    body = source.body
    if body is None or len(body) > settings.max_body_bytes or head.content_encoding is not None:
        deadline.wait_for_body()
        body = await read_body(source.receive, head, max_bytes=settings.max_body_bytes, came=deadline.received)
    deadline.body_is_read()
    return body


async def _parse(body: bytes, body_type: str, head: Head, settings: Settings) -> Payload:
    if body_type == JSON:
        if len(body) > _INLINE_BODY_BYTES:
            return await asyncio.to_thread(parse_json, body)
        if not body and head.content_type is None:
            return Payload(source="json")
        return parse_only_array(body) or parse_object(body)
    if body_type == NPY:
        return parse_npy(body)
    if body_type == MULTIPART:
        return await parse_multipart(body, head.content_type or b"", settings.max_items)
    return parse_image(body)


def _check_fields(payload: Payload, verb: Verb[Any]) -> None:
    """Raise UnknownOption where a JSON body holds `inputs`, `images` or `z` and the verb does not read it."""
    given = [*payload.arrays, "images"] if payload.images is not None else list(payload.arrays)
    for name in given:
        if name not in verb.fields:
            options = (field.alias or option for option, field in verb.options.model_fields.items())
            known = ", ".join([*verb.fields, *options])
            raise UnknownOption.at([name], f"{name!r} has no meaning here", expected=f"one of {known}", got=repr(name))


# -- out ---------------------------------------------------------------------------------------------------


async def _render(result: Result, answered_as: str, options: Options) -> bytes:
    large = result.fields[result.main].nbytes > _INLINE_ANSWER_BYTES and answered_as != NPY
    looks = _PLAIN
    if isinstance(options, PictureOptions):
        fps = options.fps if isinstance(options, InterpolateOptions) else looks.fps
        looks = replies.Looks(as_png=options.as_ == "png", scale=options.scale, fps=fps)
    if large or answered_as in replies.MOVING:
        return await asyncio.to_thread(replies.render, result, answered_as, looks)
    if answered_as == JSON and not looks.as_png:
        return write_json({"model": result.model, **result.all_fields()})
    return replies.render(result, answered_as, looks)


_PLAIN = replies.Looks()
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
