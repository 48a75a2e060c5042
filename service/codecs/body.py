"""Reading a request's bytes: whole, in time, and never more than allowed."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from service.errors import BodyTimeout, BodyTooLarge, ServiceError, UnreadableBody, UnsupportedMediaType

_LINGER_S = 0.5


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """The body's bytes. Raises UnsupportedMediaType for a Content-Encoding, BodyTooLarge, BodyTimeout."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {encoding!r} is not supported: send the body as it is (identity)")
    announced = _content_length(request)
    if announced is not None and announced > max_bytes:
        raise await _refused(request, f"the body has {announced} bytes; at most {max_bytes} are accepted", max_bytes)
    pieces: list[bytes] = []
    total = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for piece in request.stream():
                total += len(piece)
                if total > max_bytes:
                    break
                pieces.append(piece)
    except TimeoutError:
        error = BodyTimeout(f"the body did not arrive within {timeout_s:g} s; {total} bytes came")
        error.headers["Connection"] = "close"
        raise error from None
    if total > max_bytes:
        raise await _refused(request, f"the body has more than the {max_bytes} bytes that are accepted", max_bytes)
    return b"".join(pieces)


def _content_length(request: Request) -> int | None:
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise UnreadableBody("Content-Length is no number")
    return int(text)


async def _refused(request: Request, detail: str, max_bytes: int) -> ServiceError:
    """The 413, after what the client is still sending has been let through for a moment.

    A connection that is closed with bytes unread is reset, and the client may never see the answer. A client that
    waits for `100 Continue` has sent nothing and is answered at once.
    """
    if request.headers.get("expect", "").lower() != "100-continue":
        discarded = 0
        try:
            async with asyncio.timeout(_LINGER_S):
                while discarded <= max_bytes:
                    message = await request.receive()
                    discarded += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        break
        except (TimeoutError, ClientDisconnect):
            pass
    error = BodyTooLarge(detail)
    error.headers["Connection"] = "close"
    return error
