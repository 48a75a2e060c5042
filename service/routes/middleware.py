"""ASGI middleware for every request: request id, log line, metrics, HEAD, and a 500 for unexpected exceptions."""

from __future__ import annotations

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability.access_log import CLIENT_GONE, AccessLog, RequestRecord, given_id
from service.wire.problems import as_problem, logged_problem

log = structlog.get_logger("latent.request")


class RecordMiddleware:
    """Pure ASGI middleware: makes the request record, adds the request id to the answer, logs the request."""

    def __init__(self, app: ASGIApp, access_log: AccessLog) -> None:
        self._app, self._access_log = app, access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(given_id(scope["headers"]))
        scope.setdefault("state", {})["record"] = record
        method, status = scope["method"], 0
        if method == "HEAD":  # routes only know GET; the server leaves the body out. Ranges are for GET alone
            headers = [field for field in scope["headers"] if field[0] != b"range"]
            scope = {**scope, "method": "GET", "headers": headers}

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = record.request_id
                if record.model:
                    headers["X-Latent-Model"] = record.model
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            if status:  # it is too late for another answer
                log.exception("failed", id=record.request_id, path=scope["path"])
            else:
                code, headers, content = logged_problem(as_problem(error), record.request_id, scope["path"], error)
                await send_with_id({"type": "http.response.start", "status": code, "headers": headers})
                await send({"type": "http.response.body", "body": content})
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._access_log.record(record, method, scope["path"], route, status or CLIENT_GONE)
