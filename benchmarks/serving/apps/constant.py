"""A plain ASGI application that reads nothing and answers a constant: measures the cost of uvicorn alone."""

from __future__ import annotations

from typing import Any

_BODY = b'{"status":"ok"}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}
_END = {"type": "http.response.body", "body": _BODY}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's callables
    """Answer any request with the constant."""
    del receive
    if scope["type"] == "http":
        await send(_START)
        await send(_END)
