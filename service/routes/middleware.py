"""Around every request: its id, one log line, its metrics, HEAD, and an answer whatever was raised."""

from __future__ import annotations

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability.request_record import Account, Exchange, given_id
from service.wire.problems import CLIENT_GONE, as_problem, logged_problem

log = structlog.get_logger("latent.request")


class ExchangeMiddleware:
    """Pure ASGI, and outside everything of the application's own."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app, self._account = app, account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(given_id(scope))
        scope.setdefault("state", {})["exchange"] = exchange
        method, status = scope["method"], 0
        if method == "HEAD":  # the server leaves the body out; routes know GET alone
            scope = {**scope, "method": "GET"}

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = exchange.request_id
                if exchange.model:
                    headers["X-Latent-Model"] = exchange.model
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            log.exception("unforeseen", id=exchange.request_id, method=method, path=scope["path"])
            if status == 0:
                code, headers, content = logged_problem(as_problem(error), exchange.request_id, scope["path"], None)
                await send_with_id({"type": "http.response.start", "status": code, "headers": headers})
                await send({"type": "http.response.body", "body": content})
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._account.close(exchange, method, scope["path"], route, status or CLIENT_GONE)
