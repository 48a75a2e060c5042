"""Around every request: its id, one log line, its metrics, HEAD, and an answer whatever was raised.

Verbs are answered from here, with none of the framework's layers in between: those cost as much again as a request.
The same verbs are routes of the application too, for its document and for whoever calls it in another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model_store.errors import StoreError
from service.account import Account, Exchange
from service.errors import ServiceError, from_store
from service.exchange import Verb, respond
from service.problems import CLIENT_GONE, logged_problem

log = structlog.get_logger("latent.request")


class ExchangeMiddleware:
    """Pure ASGI, and outside everything of the application's own."""

    def __init__(self, app: ASGIApp, account: Account, posts: Mapping[str, Verb[Any]]) -> None:
        """`posts` are the verbs that are answered here, by the path they are posted to."""
        self._app, self._account, self._posts = app, account, posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(_given_id(scope))
        verb = self._posts.get(scope["path"]) if scope["method"] == "POST" else None
        if verb is None:
            await self._pass_on(scope, receive, send, exchange)
        else:
            await self._answer(scope, receive, send, exchange, verb)

    # -- verbs ---------------------------------------------------------------------------------------------

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange, verb: Verb[Any]) -> None:
        path, status, services = scope["path"], 200, scope["app"].state.services
        try:
            reply = await respond(scope, receive, services, verb, exchange)
            headers, content = reply.headers, reply.content
        except ClientDisconnect:
            self._account.close(exchange, "POST", path, path, CLIENT_GONE)
            return
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            status, headers, content = logged_problem(_as_problem(error), exchange.request_id, path, error)
        headers.append((b"x-request-id", exchange.request_id.encode()))
        if exchange.model:
            headers.append((b"x-latent-model", exchange.model.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        self._account.close(exchange, "POST", path, path, status)

    # -- everything else -----------------------------------------------------------------------------------

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
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
                code, headers, content = logged_problem(_as_problem(error), exchange.request_id, scope["path"], None)
                await send_with_id({"type": "http.response.start", "status": code, "headers": headers})
                await send({"type": "http.response.body", "body": content})
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._account.close(exchange, method, scope["path"], route, status or CLIENT_GONE)


def _given_id(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: bytes = value
            return given
    return None


def _as_problem(error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, StoreError):
        return from_store(error)
    return ServiceError("something went wrong; the service's log has the cause under this id")
