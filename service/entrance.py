"""The ASGI application that the server runs: posted verbs are answered here, everything else by FastAPI.

The framework's own layers between a request and its route cost 30 µs, as much as the rest of one. The verbs are routes
of the FastAPI application all the same: for its document, and for whoever runs that application in another server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.account import Account, Exchange, given_id
from service.at_once import AtOnce, begin_at_once
from service.congestion import Begin
from service.cors import cross_origin
from service.errors import ServiceError
from service.exchange import Reply, Services, Verb, queue_full, respond, time_for, time_of, too_late
from service.problems import CLIENT_GONE, as_problem, logged_problem, rendered_problem
from service.unread import unread

_TOO_LATE, _QUEUE_FULL = too_late(), queue_full()


class Posted(NamedTuple):
    """What a path is posted to for."""

    route: str
    verb: Verb[Any]


class Answered(NamedTuple):
    """What goes back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes


class Entrance:
    """Around an application."""

    def __init__(
        self, app: FastAPI, posts: Mapping[str, Verb[Any]], root_path: str, origins: Sequence[str] = ()
    ) -> None:
        """`posts` are the verbs by the path that they are posted to, below `root_path` or not; `origins` those whose
        pages may read the answers, as the application knows for itself."""
        self._app = app
        posted = {prefix + path: Posted(path, verb) for path, verb in posts.items() for prefix in {"", root_path}}
        self._posts = {path: cross_origin(partial(self._serve, one), origins) for path, one in posted.items()}
        self.direct = {} if origins else {path.encode(): one for path, one in posted.items()}
        """What a server may answer without ASGI, by path: nothing that others have to see."""
        self._queue_was_full = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's lifespan."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        await (self._posts.get(scope["path"], self._app) if posted else self._app)(scope, receive, send)

    async def answer(
        self, posted: Posted, scope: Scope, receive: Receive, came: float | None = None
    ) -> Answered | None:
        """Answer one request, and account for it; None where its client has gone.

        Its time runs from when it `came` (time.monotonic), or from now.
        """
        exchange, path = Exchange(given_id(scope), came), scope["path"]
        try:
            outcome: Reply | Exception = await respond(scope, receive, self._services, posted.verb, exchange)
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            outcome = error
        return self._answered(outcome, exchange, path, posted.route)

    def begin_at_once(
        self, posted: Posted, scope: Scope, body: bytes, came: float, done: Callable[[Answered | None], None]
    ) -> AtOnce | Answered | None:
        """Begin one request that is whole since it `came`: `done` is called with its answer, or None where its client
        has gone.

        What cannot be begun is answered here. None where it takes more than one call of the engine.
        """
        exchange, path, route = Exchange(given_id(scope), came), scope["path"], posted.route

        def finished(outcome: Reply | Exception) -> None:
            done(self._answered(outcome, exchange, path, route))

        try:
            return begin_at_once(scope, body, self._services, posted.verb, exchange, finished)
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            return self._answered(error, exchange, path, route)

    def time_for(self, posted: Posted, scope: Scope) -> float | Answered:
        """How long a request may take, seconds; or the answer to one that is not worth beginning, accounted for."""
        try:
            timeout_s = time_for(scope, self._services)
        except ServiceError as error:
            return self._unbegun(error, posted, scope)
        full = self._full(posted, has_query=bool(scope["query_string"]))
        return self._unbegun(_QUEUE_FULL, posted, scope, full) if full else timeout_s

    def _full(self, posted: Posted, *, has_query: bool) -> str:
        """The model whose queue is full, where a request is known to be for it."""
        services = self._services
        model = None if has_query else services.registry.known(None)
        self._queue_was_full = model is not None and model.refuses(posted.verb.half)
        services.watch.congestion.refused += self._queue_was_full
        return model.reference if model is not None and self._queue_was_full else ""

    @property
    def refusing(self) -> bool:
        """Whether the last request came too late or to a full queue, so that the next one may not be worth reading."""
        return self._queue_was_full or self._services.watch.congestion.refusing

    def refuse_unread(self, data: bytes) -> bytes | None:
        """What goes back after the status line to bytes that are a posted request and come too late, or to a full
        queue, accounted for.

        None for all others: they have to be parsed.
        """
        request = unread(data)
        posted = None if request is None else self.direct.get(request.path)
        if request is None or posted is None:
            return None
        services = self._services
        try:
            timeout_s = time_of(request.timeout_s, services.settings)
        except ServiceError:
            return None  # the header is wrong
        exchange = Exchange(request.request_id)
        if services.watch.refuses(timeout_s):
            problem = _TOO_LATE
        elif full := self._full(posted, has_query=request.has_query):
            problem, exchange.model = _QUEUE_FULL, full
        else:
            return None
        self._account.close(exchange, "POST", request.path.decode("ascii"), posted.route, problem.status)
        return rendered_problem(problem, exchange.request_id, exchange.model)

    def admit(
        self, posted: Posted, scope: Scope, timeout_s: float, begin: Begin, refused: Callable[[Answered], None]
    ) -> None:
        """Call `begin` when it is the request's turn, or `refused` with its answer where that would be too late."""
        congestion = self._services.watch.congestion
        congestion.begin(begin, lambda: refused(self._unbegun(_TOO_LATE, posted, scope)), timeout_s)

    def gone(self, posted: Posted, scope: Scope, came: float) -> None:
        """Account for a client that has hung up before it was its turn."""
        self._answered(ClientDisconnect(), Exchange(given_id(scope), came), scope["path"], posted.route)

    def _unbegun(self, error: ServiceError, posted: Posted, scope: Scope, model: str = "") -> Answered:
        exchange = Exchange(given_id(scope))
        exchange.model = model
        return self._refused(error, exchange, scope["path"], posted.route)

    async def _serve(self, posted: Posted, scope: Scope, receive: Receive, send: Send) -> None:
        looked = self.time_for(posted, scope)
        answered = looked if isinstance(looked, Answered) else await self.answer(posted, scope, receive)
        if answered is not None:
            await send({"type": "http.response.start", "status": answered.status, "headers": answered.headers})
            await send({"type": "http.response.body", "body": answered.content})

    def _answered(self, outcome: Reply | Exception, exchange: Exchange, path: str, route: str) -> Answered | None:
        """What goes back, accounted for; None where the client has gone."""
        if isinstance(outcome, Reply):
            return self._closed(Answered(200, outcome.headers, outcome.content), exchange, path, route)
        if isinstance(outcome, ClientDisconnect):
            self._account.close(exchange, "POST", path, route, CLIENT_GONE)
            return None
        return self._refused(outcome, exchange, path, route)

    def _refused(self, error: Exception, exchange: Exchange, path: str, route: str) -> Answered:
        problem = logged_problem(as_problem(error), exchange.request_id, path, error)
        return self._closed(Answered(*problem), exchange, path, route)

    def _closed(self, answered: Answered, exchange: Exchange, path: str, route: str) -> Answered:
        """Say who asked and who answered, and account for it."""
        answered.headers.append((b"x-request-id", exchange.request_id.encode()))
        if exchange.model:
            answered.headers.append((b"x-latent-model", exchange.model.encode()))
        self._account.close(exchange, "POST", path, route, answered.status)
        return answered

    @cached_property
    def _services(self) -> Services:
        services: Services = self._app.state.services
        return services

    @cached_property
    def _account(self) -> Account:
        account: Account = self._app.state.account
        return account
