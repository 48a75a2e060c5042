"""Around every request: its id, one log line, its metrics, HEAD, and an answer whatever was raised."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ServiceError
from service.metrics import Metrics
from service.problems import CLIENT_GONE, problem_response

log = structlog.get_logger("latent.request")

_REQUEST_ID = re.compile(r"^[\x21-\x7e]{1,128}$")


@dataclass
class Exchange:
    """What is known of a request so far; handlers fill it in, the log line and the metrics read it."""

    request_id: str
    model: str = ""
    items: int = 0
    started: float = field(default_factory=time.perf_counter)


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange


class ExchangeMiddleware:
    """Pure ASGI, and outside everything of the application's own."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        exchange = Exchange(given if _REQUEST_ID.match(given) else uuid.uuid4().hex)
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
        except Exception:
            log.exception("unforeseen", id=exchange.request_id, method=method, path=scope["path"])
            if status == 0:
                error = ServiceError("something went wrong; the service's log has the cause under this id")
                await problem_response(error, exchange.request_id)(scope, receive, send_with_id)
        finally:
            self._account(scope, method, exchange, status or CLIENT_GONE)

    def _account(self, scope: Scope, method: str, exchange: Exchange, status: int) -> None:
        seconds = time.perf_counter() - exchange.started
        route = scope.get("route")
        verb = getattr(route, "path", "unmatched")
        model_name = exchange.model.partition("@")[0]
        self._metrics.observe_request(verb, model_name, status, exchange.items, seconds)
        quiet = verb in ("/livez", "/readyz", "/metrics") and status < 500
        (log.debug if quiet else log.info)(
            "request",
            id=exchange.request_id,
            model=exchange.model or None,
            verb=f"{method} {scope['path']}",
            items=exchange.items,
            status=status,
            milliseconds=round(1e3 * seconds, 3),
        )
