"""Reading a request's bytes: whole, and never more than allowed."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.codecs.head import Head
from service.errors import BodyTooLarge, ServiceError, UnsupportedMediaType

_LINGER_S = 0.5


async def read_body(receive: Receive, head: Head, *, max_bytes: int) -> bytes:
    """The body's bytes. Raises UnsupportedMediaType for a Content-Encoding, BodyTooLarge or ClientDisconnect."""
    encoding = head.headers.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() != b"identity":
        text = encoding.decode("latin-1").strip().lower()
        raise UnsupportedMediaType(f"Content-Encoding {text!r} is not supported: send the body as it is (identity)")
    announced = head.content_length()
    if announced is not None and announced > max_bytes:
        raise await _refused(
            receive, head, f"the body has {announced} bytes; at most {max_bytes} are accepted", max_bytes
        )
    pieces: list[bytes] = []
    total, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        total += len(piece)
        if total > max_bytes:
            raise await _refused(
                receive, head, f"the body has more than the {max_bytes} bytes that are accepted", max_bytes
            )
        if not more and not pieces:
            return piece
        pieces.append(piece)
    return b"".join(pieces)


async def _refused(receive: Receive, head: Head, detail: str, max_bytes: int) -> ServiceError:
    """The 413, after what the client is still sending has been let through for a moment.

    A connection that is closed with bytes unread is reset, and the client may never see the answer. A client that
    waits for `100 Continue` has sent nothing and is answered at once.
    """
    if head.headers.get(b"expect", b"").lower() != b"100-continue":
        discarded = 0
        try:
            async with asyncio.timeout(_LINGER_S):
                while discarded <= max_bytes:
                    message = await receive()
                    discarded += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        break
        except TimeoutError:
            pass
    error = BodyTooLarge(detail)
    error.headers["Connection"] = "close"
    return error
