"""The ASGI application that the server runs: posted verbs are answered here, everything else by FastAPI.

The framework's own layers between a request and its route cost 30 µs, as much as the rest of one. The verbs are routes
of the FastAPI application all the same: for its document, and for whoever runs that application in another server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.account import Account, Exchange, given_id
from service.cors import cross_origin
from service.exchange import Services, Verb, respond
from service.problems import CLIENT_GONE, as_problem, logged_problem


class Entrance:
    """Around an application."""

    def __init__(
        self, app: FastAPI, posts: Mapping[str, Verb[Any]], root_path: str, origins: Sequence[str] = ()
    ) -> None:
        """`posts` are the verbs by the path that they are posted to, below `root_path` or not; `origins` those whose
        pages may read the answers, as the application knows for itself."""
        self._app = app
        self._posts = {
            prefix + path: cross_origin(partial(self._answer, path, verb), origins)
            for path, verb in posts.items()
            for prefix in {"", root_path}
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's lifespan."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        await (self._posts.get(scope["path"], self._app) if posted else self._app)(scope, receive, send)

    async def _answer(self, route: str, verb: Verb[Any], scope: Scope, receive: Receive, send: Send) -> None:
        exchange, status, path = Exchange(given_id(scope)), 200, scope["path"]
        services: Services = self._app.state.services
        account: Account = self._app.state.account
        try:
            reply = await respond(scope, receive, services, verb, exchange)
            headers, content = reply.headers, reply.content
        except ClientDisconnect:
            account.close(exchange, "POST", path, route, CLIENT_GONE)
            return
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            status, headers, content = logged_problem(as_problem(error), exchange.request_id, path, error)
        headers.append((b"x-request-id", exchange.request_id.encode()))
        if exchange.model:
            headers.append((b"x-latent-model", exchange.model.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        account.close(exchange, "POST", path, route, status)
