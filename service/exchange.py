"""One request of a verb, from its bytes to the answer's: model, Accept, body, options, verb, rendering."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from service.codecs import replies
from service.codecs.body import read_body
from service.codecs.image_body import parse_image, parse_multipart
from service.codecs.json_body import ARRAY_FIELDS, parse_json
from service.codecs.negotiation import ARRAYS, GIF, JPEG, JSON, MULTIPART, NPY, NPZ, PNG, WEBP, choose
from service.codecs.npy_body import parse_npy
from service.codecs.payload import Payload
from service.codecs.pictures import moving, near_square, png, sheet
from service.errors import BadHeader, DeadlineExceeded, InvalidValue, UnknownOption, UnsupportedMediaType
from service.middleware import exchange_of
from service.registry import Registry
from service.served_model import Clock, ServedModel
from service.settings import Settings
from service.verbs.call import Call, Result, Sheet
from service.verbs.options import InterpolateOptions, O, Options, PictureOptions, read_options

IMAGES = (PNG, JPEG, WEBP)
MOVING = (GIF, WEBP)
ITEM_BODIES = (JSON, *IMAGES, MULTIPART, NPY)
CODE_BODIES = (JSON, NPY)
OPTION_BODIES = (JSON,)

_INLINE_BYTES = 128 << 10
_ALIASES = {"image/jpg": JPEG}


@dataclass(frozen=True)
class Verb(Generic[O]):
    """What an endpoint runs, reads and can answer."""

    run: Callable[[Call, O], Coroutine[Any, Any, Result]]
    options: type[O]
    bodies: Sequence[str] = ()
    """Content types that are read; none for GET."""
    fields: Sequence[str] = field(default=())
    """What a JSON body holds beside options."""
    pictures: Sequence[str] = ()
    """Picture types that an image model answers."""
    picture_first: bool = False
    """Whether a client that does not say gets a picture."""

    def offers(self, model: ServedModel) -> Sequence[str]:
        """Types that can be answered for a model, the default first."""
        pictures = self.pictures if model.manifest.input.kind == "image" else ()
        return (*pictures, *ARRAYS) if self.picture_first else (*ARRAYS, *pictures)


@dataclass(frozen=True)
class Services:
    """What a request may ask for."""

    settings: Settings
    registry: Registry


async def answer(request: Request, services: Services, verb: Verb[O]) -> Response:
    """Answer one request of a verb, before its deadline."""
    clock = Clock.until(_timeout_s(request, services.settings))
    try:
        async with asyncio.timeout(clock.remaining_s):
            return await _answer(request, services, verb, clock)
    except TimeoutError:
        raise DeadlineExceeded("the answer was not ready before the request's deadline") from None


async def _answer(request: Request, services: Services, verb: Verb[O], clock: Clock) -> Response:
    model = await services.registry.get(_model_of(request), clock)
    try:
        return await _answer_by(model, request, services.settings, verb, clock)
    finally:
        model.release()


async def _answer_by(model: ServedModel, request: Request, settings: Settings, verb: Verb[O], clock: Clock) -> Response:
    exchange = exchange_of(request.scope)
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "model"]
    exchange.model = model.reference
    media_type = choose(_accept(request), verb.offers(model), wildcards_fall_back=verb.picture_first)
    body_type = _body_type(request, verb.bodies) if verb.bodies else None
    started = time.monotonic()
    payload = Payload(source="none")
    if body_type is not None:
        body = await read_body(request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
        started = time.monotonic()
        payload = await _parse(body, body_type, request, settings)
    _check_fields(payload, verb)
    options = read_options(verb.options, payload.options, query, verb.fields)
    if isinstance(options, PictureOptions) and options.as_ is not None and model.manifest.input.kind != "image":
        raise InvalidValue.at(["as"], "this model has no pictures", expected="no 'as'", got="'png'")
    clock.parse_s = time.monotonic() - started
    call = Call(model, payload, settings, clock, in_query=frozenset(name for name, _ in query))
    result = await _while_connected(request, verb.run(call, options))
    exchange.items = result.items
    started = time.monotonic()
    content = await _render(result, media_type, options)
    clock.render_s = time.monotonic() - started
    return Response(content, media_type=media_type, headers=_headers(result, clock))


async def _while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for the work; a client that hangs up takes it back. Raises ClientDisconnect."""
    task, watcher = asyncio.create_task(work), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        watcher.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# -- in ----------------------------------------------------------------------------------------------------


def _timeout_s(request: Request, settings: Settings) -> float:
    text = request.headers.get("x-request-timeout")
    if text is None:
        return settings.timeout_s
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise BadHeader.at(
            ["X-Request-Timeout"], "X-Request-Timeout must be positive seconds", expected="seconds", got=text[:40]
        )
    return min(seconds, settings.max_timeout_s)


def _model_of(request: Request) -> str | None:
    given = request.query_params.getlist("model")
    if len(given) > 1:
        raise InvalidValue.at(["model"], "model is given twice", expected="one", got=f"{len(given)} values")
    return given[0] if given else None


def _accept(request: Request) -> str | None:
    values = request.headers.getlist("accept")
    return ",".join(values) if values else None


def _body_type(request: Request, accepted: Sequence[str]) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given = _ALIASES.get(given, given)
    if not given and request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        given = JSON  # a bare POST: the defaults of every option
    if given not in accepted:
        raise UnsupportedMediaType(
            f"the body's Content-Type must be one of {', '.join(accepted)}, not {given[:60] or 'nothing'}"
        )
    return given


async def _parse(body: bytes, body_type: str, request: Request, settings: Settings) -> Payload:
    if body_type == MULTIPART:
        return await parse_multipart(body, request.headers, settings.max_items)
    if body_type in IMAGES:
        return parse_image(body)
    if body_type == NPY:
        return parse_npy(body)
    if not body and request.headers.get("content-type") is None:
        return Payload(source="json")
    if len(body) <= _INLINE_BYTES:
        return parse_json(body)
    return await asyncio.to_thread(parse_json, body)


def _check_fields(payload: Payload, verb: Verb[Any]) -> None:
    """A JSON body may hold `inputs`, `images` and `z` only where the verb reads them."""
    if payload.source != "json":
        return
    given = [name for name in ARRAY_FIELDS if name in payload.arrays] + (
        ["images"] if payload.images is not None else []
    )
    for name in given:
        if name not in verb.fields:
            options = (field.alias or option for option, field in verb.options.model_fields.items())
            known = ", ".join([*verb.fields, *options])
            raise UnknownOption.at([name], f"{name!r} has no meaning here", expected=f"one of {known}", got=repr(name))


# -- out ---------------------------------------------------------------------------------------------------


async def _render(result: Result, media_type: str, options: Options) -> bytes:
    looks = replies.Looks()
    if isinstance(options, PictureOptions):
        fps = options.fps if isinstance(options, InterpolateOptions) else looks.fps
        looks = replies.Looks(as_png=options.as_ == "png", scale=options.scale, fps=fps)

    def render() -> bytes:
        if media_type == JSON:
            images = result.images() if looks.as_png and result.images is not None else None
            return replies.render_json({"model": result.model, **result.fields}, images, looks)
        if media_type == NPY:
            return replies.render_npy(result.fields[result.main])
        if media_type == NPZ:
            return replies.render_npz(result.fields)
        if result.images is None:
            raise RuntimeError("a picture was negotiated for an answer that has none")
        images = result.images()
        if media_type in MOVING:
            return moving(images, media_type, looks.fps, looks.scale)
        whole = result.sheet(images) if result.sheet is not None else Sheet(images, near_square(len(images)))
        return png(sheet(whole.images, whole.columns), looks.scale)

    small = result.fields[result.main].nbytes <= _INLINE_BYTES and media_type not in MOVING
    return render() if small else await asyncio.to_thread(render)


def _headers(result: Result, clock: Clock) -> Mapping[str, str]:
    times = {"parse": clock.parse_s, "queue": clock.queue_s, "infer": clock.infer_s, "render": clock.render_s}
    headers = {
        "Server-Timing": ", ".join(f"{name};dur={1e3 * seconds:.3f}" for name, seconds in times.items()),
        "Vary": "Accept",
    }
    if "seed" in result.fields:
        headers["X-Latent-Seed"] = str(result.fields["seed"])
    if not result.repeatable:
        headers["Cache-Control"] = "no-store"
    return headers
