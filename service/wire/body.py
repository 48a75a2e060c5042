"""Reads the whole body of a request, up to a size limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.errors import BodyTooLarge, ServiceError, UnsupportedMediaType
from service.wire.head import Head
from service.wire.negotiation import JSON

_IDENTITY = frozenset({b"", b"identity"})


def body_type_of(head: Head, accepted: Sequence[str]) -> str:
    """The media type of a request's body. Raises UnsupportedMediaType where it is none of `accepted`."""
    given = head.media_type
    if not given and not head.has_body:
        given = JSON  # a bare POST: the defaults of every option
    if given not in accepted:
        raise UnsupportedMediaType(
            f"the body's Content-Type must be one of {', '.join(accepted)}, not {given[:60] or 'nothing'}"
        )
    return given


async def read_body(
    receive: Receive, head: Head, *, max_bytes: int, came: Callable[[int], None], hold: Callable[[int], None]
) -> bytes:
    """Read the body of a request; after each piece, `came` is called with the number of bytes so far.

    `hold` is called with the bytes of each piece, and may refuse it by an error. Raises UnsupportedMediaType for a
    Content-Encoding, BodyTooLarge or ClientDisconnect.
    """
    encoding = head.content_encoding
    if encoding is not None and not _IDENTITY.issuperset(map(bytes.strip, encoding.lower().split(b","))):
        text = encoding[:100].decode("latin-1").strip().lower()
        detail = f"Content-Encoding {text!r} is not supported: send the body as it is (identity)"
        raise UnsupportedMediaType(detail, headers={"Accept-Encoding": "identity"})  # RFC 9110, 15.5.16
    announced = head.body_bytes()
    if announced is not None and announced > max_bytes:
        raise _too_large(f"the body has {announced} bytes; at most {max_bytes} are accepted")
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
            raise _too_large(f"the body has more than the {max_bytes} bytes that are accepted")
        hold(len(piece))
        if not more and not pieces:
            return piece
        pieces.append(piece)
        came(total)
    return b"".join(pieces)


def _too_large(detail: str) -> ServiceError:
    error = BodyTooLarge(detail)
    error.headers["Connection"] = "close"
    return error
