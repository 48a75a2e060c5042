"""One call of the application for one request: what happens where the body is not read, or breaks on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.errors import ServiceError

_DISCARD_S = 0.5
"""An answer waits so long for the rest of a body that nobody reads, so that the connection can be kept."""


class ApplicationCall:
    """An ASGI application that answers one request.

    An answer that begins before the request's body is whole closes the connection: what is left of the body must never
    be taken for a request. A body that breaks on its way (RFC 9112, 7.1) is an error that the application answers and
    logs, under the request's own id.
    """

    def __init__(
        self,
        app: Any,  # noqa: ANN401 - uvicorn's own
        cycle: RequestResponseCycle,
        check_body: Callable[[], None],
        close_after_answer: Callable[[], None],
    ) -> None:
        """`check_body` raises the error of a body that broke; `close_after_answer` makes this answer the last one, and
        closes the connection in two steps."""
        self._app, self._cycle = app, cycle
        self._check_body, self._close_after_answer = check_body, close_after_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        cycle = self._cycle

        async def receive_checked() -> Message:
            self._check_body()
            message = await receive()
            self._check_body()
            return message

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                if cycle.more_body:
                    await self._discard_rest(receive_checked)
                if cycle.more_body:
                    cycle.keep_alive = False
                if not cycle.keep_alive:
                    message = _saying_close(message)
            elif not cycle.keep_alive and not message.get("more_body", False):
                cycle.keep_alive = True  # uvicorn would close at once
                self._close_after_answer()
            await send(message)

        await self._app(scope, receive_checked, send_in_time)

    async def _discard_rest(self, receive: Receive) -> None:
        """Read the rest of the body for a short time; nothing where the client waits for `100 Continue`."""
        cycle = self._cycle
        if cycle.waiting_for_100_continue:
            return
        with suppress(TimeoutError, ServiceError):
            async with asyncio.timeout(_DISCARD_S):
                while cycle.more_body and not cycle.disconnected:
                    await receive()


def _saying_close(message: Message) -> Message:
    """The beginning of an answer with `Connection: close`, which not every release of uvicorn adds."""
    headers = list(message.get("headers", ()))
    if all(name.lower() != b"connection" for name, _ in headers):
        headers.append((b"connection", b"close"))
    return {**message, "headers": headers}
