"""Parses a request's body by its media type; what takes long is parsed in a thread."""

from __future__ import annotations

from functools import partial

from service.limits import Pools
from service.wire.image_body import parse_image, parse_multipart
from service.wire.json_body import parse_json, parse_object
from service.wire.negotiation import JSON, MULTIPART, NPY
from service.wire.npy_body import parse_npy
from service.wire.payload import Payload

INLINE_BYTES = 64 << 10
"""Bodies up to this size are parsed in the event loop. An error is looked for value by value, which takes up to
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
    """Parse a body of the media type `body_type` that is more than one array in JSON.

    `until` (time.monotonic) is the request's deadline.
    `content_type` is the header as it came; the request may have `max_items` items of `item_numbers` numbers each.
    """
    if body_type == NPY:
        return parse_npy(body)
    if body_type == JSON:
        if not body and content_type is None:
            return Payload(source="json")
        if len(body) <= INLINE_BYTES:
            return parse_object(body)
        max_numbers = _SLACK_NUMBERS + 2 * max_items * item_numbers
        return await pools.bodies.run(lambda _: parse_json(body, max_numbers), until)
    if body_type == MULTIPART:
        parse = partial(parse_multipart, body, content_type or b"", max_items)
        return parse() if len(body) <= INLINE_BYTES else await pools.bodies.run(lambda _: parse(), until)
    return parse_image(body)
