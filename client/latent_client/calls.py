"""Calls of a verb: how arguments become requests, and how replies become one answer.

Knows what is sent and in which order, but sends nothing itself: `steps` is a generator that yields
requests and is sent replies, so that the blocking and the asynchronous client drive the same code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeAlias, TypeVar

import httpx
import numpy as np

from latent_client.bodies import ArrayBody, Body, ImageBody, JsonBody, spans
from latent_client.errors import UnusableInput

T = TypeVar("T")

NPZ = "application/x-npz"
JSON = "application/json"

_PER_ITEM = ("labels", "target_labels")

FilePart: TypeAlias = tuple[str, tuple[str, bytes, str]]
"""Field name, then file name, content and media type."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request without what the connection adds: base URL, timeout and headers."""

    method: Literal["GET", "POST"]
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    content: bytes | None = None
    files: list[FilePart] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request: its items, and the bytes of its body before framing."""

    chunk_items: int
    chunk_bytes: int


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One verb with its arguments. An option of None leaves the choice to the server.

    With `join` the items of a large body may travel in several requests; without it they never do.
    """

    method: Literal["GET", "POST"]
    path: str
    parse: Callable[[httpx.Response], T]
    body: Body | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    model: str | None = None
    accept: str = NPZ
    join: Callable[[Sequence[T]], T] | None = None
    path_names_model: bool = False
    """The path names the model, so the client's own `model` is not sent as an option."""


def steps(
    call: Call[T], *, model: str | None, limits: Limits, request_id: str
) -> Generator[Request, httpx.Response, T]:
    """Generate the requests of `call` in order, receive their replies, and return the answer.

    `model` serves where the call names none. From the first reply on, the very version that gave it is
    asked: codes of two versions must not end up in one array, whatever is promoted meanwhile.
    """
    asked = None if call.path_names_model else call.model or model
    answers: list[T] = []
    for body, options in _pieces(call, limits):
        reply = yield _request(call, body, options, model=asked, request_id=request_id)
        answers.append(call.parse(reply))
        asked = reply.headers.get("x-latent-model", asked)
    return answers[0] if call.join is None else call.join(answers)


def _pieces(call: Call[T], limits: Limits) -> Iterator[tuple[Body | None, Mapping[str, object]]]:
    body, options = call.body, {name: _plain(value) for name, value in call.options.items() if value is not None}
    if call.join is None or not isinstance(body, ArrayBody | ImageBody):
        yield body, options
        return
    sizes = body.sizes()
    listed = {name: options[name] for name in _PER_ITEM if isinstance(options.get(name), list)}
    for name, values in listed.items():
        if isinstance(values, list) and len(values) not in {1, len(sizes)}:
            raise UnusableInput(f"{name}: {len(values)} for {len(sizes)} items; expected one, or one for each")
    for span in spans(sizes, max_items=limits.chunk_items, max_bytes=limits.chunk_bytes):
        own = {name: values[span] for name, values in listed.items() if isinstance(values, list) and len(values) > 1}
        yield body.cut(span), {**options, **own}


def _request(
    call: Call[T], body: Body | None, options: Mapping[str, object], *, model: str | None, request_id: str
) -> Request:
    params = {} if model is None else {"model": model}
    headers = {"Accept": call.accept, "X-Request-ID": request_id}
    if isinstance(body, JsonBody):
        headers["Content-Type"] = JSON
        content = _json({**body.fields, **options})
        return Request(call.method, call.path, params, headers, content=content)
    params |= {name: _query_value(name, value) for name, value in options.items()}
    if isinstance(body, ArrayBody):
        headers["Content-Type"] = "application/x-npy"
        return Request(call.method, call.path, params, headers, content=body.npy())
    if isinstance(body, ImageBody):
        types = body.media_types()
        if len(types) == 1:
            headers["Content-Type"] = types[0]
            return Request(call.method, call.path, params, headers, content=body.images[0])
        files: list[FilePart] = [
            ("images", (f"{at}.{kind.removeprefix('image/')}", image, kind))
            for at, (image, kind) in enumerate(zip(body.images, types, strict=True))
        ]
        return Request(call.method, call.path, params, headers, files=files)
    return Request(call.method, call.path, params, headers)


def _plain(value: object) -> object:
    """Convert arrays and numpy numbers to lists and Python numbers."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _json(fields: Mapping[str, object]) -> bytes:
    try:
        return json.dumps({name: _plain(value) for name, value in fields.items()}, allow_nan=False).encode()
    except ValueError as error:
        raise UnusableInput("NaN and infinity can't be sent") from error


def _query_value(name: str, value: object) -> str:
    if isinstance(value, list):
        return ",".join(_query_value(name, item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and "," in value:
        raise UnusableInput(f"{name}: {value!r} can't travel in a query, where commas separate values")
    return str(value)
