"""One request of a verb, from its bytes to the answer's: model, Accept, body, options, verb, rendering."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal

from fastapi import Request, Response
from starlette.types import Receive, Scope

from service.admission.deadlines import Patience, Watch
from service.errors import BodyTooLarge, InvalidValue, Overloaded, UnknownOption
from service.models import Registry
from service.models.served_model import Clock, ServedModel
from service.observability.request_record import Exchange, exchange_of
from service.settings import Settings
from service.verbs.call import Call, OneCall, Result, Sheet
from service.verbs.options import InterpolateOptions, O, Options, PictureOptions, read_options
from service.wire import replies
from service.wire.body import let_through, read_body
from service.wire.caching import RELEASE, Keeping, Precondition, cache_control_of, tag
from service.wire.head import Head, read_timeout_s
from service.wire.image_body import parse_image, parse_multipart
from service.wire.json_body import parse_json
from service.wire.negotiation import ARRAYS, GIF, JPEG, JSON, MULTIPART, NPY, NPZ, PNG, WEBP
from service.wire.npy_body import parse_npy
from service.wire.payload import Payload
from service.wire.pictures import moving, near_square, png, sheet

IMAGES = (PNG, JPEG, WEBP)
MOVING = (GIF, WEBP)
ITEM_BODIES = (JSON, *IMAGES, MULTIPART, NPY)
CODE_BODIES = (JSON, NPY)
OPTION_BODIES = (JSON,)

INLINE_BYTES = 512 << 10
"""Bodies up to this size are read in the event loop: two milliseconds of JSON."""
INLINE_ANSWER_BYTES = 128 << 10
"""Answers up to this size, of numbers in float32, are written there."""


@dataclass(frozen=True)
class Verb(Generic[O]):
    """What an endpoint runs, reads and can answer."""

    run: Callable[[Call, O], Coroutine[Any, Any, Result]]
    options: type[O]
    bodies: Sequence[str] = ()
    """Content types that are read; none for GET."""
    fields: Sequence[str] = field(default=())
    """What a JSON body holds beside options."""
    half: Literal["encoder", "decoder"] = "encoder"
    """Whose queue a request comes to first."""
    pictures: Sequence[str] = ()
    """Picture types that an image model answers."""
    once: OneCall | None = None
    """How a request is answered that is one array and asks for nothing else, where one call of the engine does it."""
    picture_first: bool = False
    """Whether a client that does not say gets a picture."""
    repeats: Callable[[O], bool] | None = None
    """Of a GET: whether such options are always answered alike, so that the answer may be kept."""

    def offers(self, model: ServedModel) -> tuple[str, ...]:
        """Types that can be answered for a model, the default first."""
        return self._with_pictures if model.manifest.input.kind == "image" else ARRAYS

    @cached_property
    def _with_pictures(self) -> tuple[str, ...]:
        return (*self.pictures, *ARRAYS) if self.picture_first else (*ARRAYS, *self.pictures)

    @cached_property
    def defaults(self) -> O:
        """The options of a request that has none."""
        return read_options(self.options, {}, ())


@dataclass(frozen=True)
class Services:
    """What a request may ask for."""

    settings: Settings
    registry: Registry
    watch: Watch


@dataclass(slots=True)
class Reply:
    """What goes back."""

    content: bytes
    headers: list[tuple[bytes, bytes]]
    status: int = 200


async def answer(request: Request, services: Services, verb: Verb[O]) -> Response:
    """Answer one request of a verb, before its deadline."""
    reply = await respond(request.scope, request.receive, services, verb, exchange_of(request.scope))
    response = Response(reply.content, reply.status)
    response.raw_headers = reply.headers
    return response


def time_of(header: bytes | None, settings: Settings) -> float:
    """What X-Request-Timeout says, or what is meant without it, seconds. Raises BadHeader where it says no time."""
    if header is None:
        return settings.timeout_s
    return read_timeout_s(header.decode("latin-1"), settings.timeout_s, settings.max_timeout_s)


def too_late() -> Overloaded:
    """What a request is told that would not be answered in time."""
    return Overloaded("more is waiting than can be answered before the request's deadline")


def queue_full() -> Overloaded:
    """What a request is told that would have to wait behind as many items as may wait."""
    return Overloaded("as many items are waiting for the model as may; nothing more is accepted")


async def respond(scope: Scope, receive: Receive, services: Services, verb: Verb[O], exchange: Exchange) -> Reply:
    """Answer one request of a verb, before its deadline. Raises ServiceError or ClientDisconnect."""
    head, settings = Head(scope), services.settings
    clock = Clock(exchange.started + head.timeout_s(settings.timeout_s, settings.max_timeout_s))
    patience = services.watch.begin(receive, clock.deadline, settings.body_timeout_s)
    clock.alone = services.watch.alone(scope.get("client"))
    model = None
    try:
        model = services.registry.lease(head.model) or await services.registry.get(head.model, clock)
        return await _respond(model, head, receive, services, verb, exchange, clock, patience)
    except asyncio.CancelledError:
        if patience.why is None:
            raise
        asyncio.current_task().uncancel()  # type: ignore[union-attr]
        raise patience.why() from None
    finally:
        services.watch.end(patience)
        if model is not None:
            model.release()


async def _respond(
    model: ServedModel,
    head: Head,
    receive: Receive,
    services: Services,
    verb: Verb[O],
    exchange: Exchange,
    clock: Clock,
    patience: Patience,
) -> Reply:
    settings = services.settings
    exchange.model = model.reference
    if model.refuses(verb.half):
        raise queue_full()
    media_type = head.answer_type(verb.offers(model), picture_first=verb.picture_first)
    started = time.perf_counter()
    payload = _NOTHING
    if verb.bodies:
        body_type = head.body_type(verb.bodies)
        try:
            body = await read_body(receive, head, max_bytes=settings.max_body_bytes, came=patience.came)
        except BodyTooLarge:
            services.watch.end(patience)
            await let_through(receive, head, max_bytes=settings.max_body_bytes)
            raise
        started = time.perf_counter()
        payload = await _parse(body, body_type, head, settings)
    patience.body_is_read()
    if payload.source == "json":
        check_fields(payload, verb)
    query = head.options if head.query else []
    if payload.options or query:
        options = read_options(verb.options, payload.options, query, verb.fields)
    else:
        options = verb.defaults
    if isinstance(options, PictureOptions) and options.as_ is not None and model.manifest.input.kind != "image":
        raise InvalidValue.at(["as"], "this model has no pictures", expected="no 'as'", got="'png'")
    clock.parse_s = time.perf_counter() - started
    keeping = _keeping(verb, options, model, media_type, head, settings)
    if keeping is not None and Precondition(head).names(keeping):
        return _not_modified(keeping)
    call = Call(model, payload, settings, clock, in_query=frozenset(name for name, _ in query) if query else _NO_NAMES)
    result = await verb.run(call, options)
    exchange.items = result.items
    started = time.perf_counter()
    content = await _render(result, media_type, options)
    clock.render_s = time.perf_counter() - started
    if keeping is not None and Precondition(head).holds(keeping):
        return _not_modified(keeping)
    return Reply(content, headers_of(result, media_type, len(content), clock, keeping))


_NOTHING = Payload(source="none")
_NO_NAMES: frozenset[str] = frozenset()


# -- in ----------------------------------------------------------------------------------------------------


async def _parse(body: bytes, body_type: str, head: Head, settings: Settings) -> Payload:
    if body_type == JSON:
        if not body and b"content-type" not in head.headers:
            return Payload(source="json")
        return parse_json(body) if len(body) <= INLINE_BYTES else await asyncio.to_thread(parse_json, body)
    if body_type == NPY:
        return parse_npy(body)
    if body_type == MULTIPART:
        return await parse_multipart(body, head.headers.get(b"content-type", b""), settings.max_items)
    return parse_image(body)


def check_fields(payload: Payload, verb: Verb[Any]) -> None:
    """Raise UnknownOption where a JSON body holds `inputs`, `images` or `z` and the verb does not read it."""
    given = [*payload.arrays, "images"] if payload.images is not None else list(payload.arrays)
    for name in given:
        if name not in verb.fields:
            options = (field.alias or option for option, field in verb.options.model_fields.items())
            known = ", ".join([*verb.fields, *options])
            raise UnknownOption.at([name], f"{name!r} has no meaning here", expected=f"one of {known}", got=repr(name))


# -- out ---------------------------------------------------------------------------------------------------


async def _render(result: Result, media_type: str, options: Options) -> bytes:
    if media_type == NPY:
        return replies.render_npy(result.fields[result.main])
    looks = _PLAIN
    if isinstance(options, PictureOptions):
        fps = options.fps if isinstance(options, InterpolateOptions) else looks.fps
        looks = replies.Looks(as_png=options.as_ == "png", scale=options.scale, fps=fps)

    def render() -> bytes:
        if media_type == JSON:
            images = result.images() if looks.as_png and result.images is not None else None
            return replies.render_json({"model": result.model, **result.all_fields()}, images, looks.scale)
        if media_type == NPZ:
            return replies.render_npz(result.all_fields())
        if result.images is None:
            raise RuntimeError("a picture was negotiated for an answer that has none")
        images = result.images()
        if media_type in MOVING:
            return moving(images, media_type, looks.fps, looks.scale)
        whole = result.sheet(images) if result.sheet is not None else Sheet(images, near_square(len(images)))
        return png(sheet(whole.images, whole.columns), looks.scale)

    small = result.fields[result.main].nbytes <= INLINE_ANSWER_BYTES and media_type not in MOVING
    return render() if small else await asyncio.to_thread(render)


_PLAIN = replies.Looks()
_VARY = [(b"vary", b"Accept")]
_MEDIA_TYPES = {name: name.encode() for name in (*ARRAYS, *IMAGES, *MOVING)}


def _keeping(
    verb: Verb[O], options: O, model: ServedModel, media_type: str, head: Head, settings: Settings
) -> Keeping | None:
    """What is said of an answer that is the same each time; None where it is not, or is no GET's.

    Whatever decides the answer is in its tag, so that it is known before anything is computed.
    """
    if verb.repeats is None or not verb.repeats(options):
        return None
    by = (model.digest, RELEASE, model.engine, settings.precision)
    etag = tag(verb.options.__name__, *by, options.model_dump_json(), media_type)
    return Keeping(etag, cache_control_of(head.model))


def _not_modified(keeping: Keeping) -> Reply:
    return Reply(b"", _raw(keeping.headers), 304)


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def headers_of(
    result: Result, media_type: str, size: int, clock: Clock, keeping: Keeping | None = None
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, but for those that every answer has."""
    headers = [
        (b"content-type", _MEDIA_TYPES[media_type]),
        (b"content-length", b"%d" % size),
        (
            b"server-timing",
            b"parse;dur=%.3f, queue;dur=%.3f, infer;dur=%.3f, render;dur=%.3f"
            % (1e3 * clock.parse_s, 1e3 * clock.queue_s, 1e3 * clock.infer_s, 1e3 * clock.render_s),
        ),
    ]
    headers += _VARY if keeping is None else _raw(keeping.headers)
    if "seed" in result.fields:
        headers.append((b"x-latent-seed", b"%d" % result.fields["seed"]))
    if not result.repeatable:
        headers.append((b"cache-control", b"no-store"))
    return headers
