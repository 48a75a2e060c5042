"""Parses a request's body by its media type; what takes long is parsed in a thread."""

from __future__ import annotations

from functools import partial

from service.limits import Pools
from service.wire.image_body import parse_image, parse_multipart
from service.wire.json_body import parse_json, parse_object
from service.wire.negotiation import JSON, MULTIPART, NPY
from service.wire.npy_body import parse_npy
from service.wire.payload import Payload

INLINE_ARRAY_BYTES = 512 << 10
"""One regular array of this size in JSON is parsed in 2 ms, so in the event loop."""
_INLINE_BYTES = 64 << 10
"""Other bodies up to this size are parsed in the event loop. An error is looked for value by value, which takes up to
20 ms for them."""

_SLACK_NUMBERS = 1 << 16
"""Numbers of a JSON body beside twice those of the most items: labels, and items too many, which get an error of their
own."""


async def parse_body(
    body: bytes,
    body_type: str,
    content_type: bytes | None,
    max_items: int,
    item_numbers: int,
    pools: Pools,
    until: float,
) -> Payload:
    """Parse a body of the media type `body_type`; one of JSON up to INLINE_ARRAY_BYTES is no array alone.

    `until` (time.monotonic) is the request's deadline.
    `content_type` is the header as it came; the request may have `max_items` items of `item_numbers` numbers each.
    """
    if body_type == NPY:
        return parse_npy(body)
    if body_type == JSON:
        if not body and content_type is None:
            return Payload(source="json")
        if len(body) <= _INLINE_BYTES:
            return parse_object(body)
        if len(body) <= INLINE_ARRAY_BYTES:
            return await pools.bodies.run(lambda _: parse_object(body), until)
        max_numbers = _SLACK_NUMBERS + 2 * max_items * item_numbers
        return await pools.bodies.run(lambda _: parse_json(body, max_numbers), until)
    if body_type == MULTIPART:
        parse = partial(parse_multipart, body, content_type or b"", max_items)
        return parse() if len(body) <= _INLINE_BYTES else await pools.bodies.run(lambda _: parse(), until)
    return parse_image(body)
