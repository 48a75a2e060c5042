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

from service.admission.load_shedding import Begin
from service.at_once import AtOnce, begin_at_once
from service.errors import ServiceError
from service.fast_path.known_heads import Asked, Headers, KnownHeads, Posted
from service.observability.request_record import Account, Exchange, given_id, heeded_id
from service.unread import unread
from service.verbs.answering import Reply, Services, Verb, queue_full, respond, time_of, too_late
from service.wire.cors import cross_origin
from service.wire.problems import CLIENT_GONE, Told, as_problem, logged_problem

_TOO_LATE, _QUEUE_FULL = Told(too_late()), Told(queue_full())


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
        self.heads = KnownHeads()
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
            reply = await respond(scope, receive, self._services, posted.verb, exchange)
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            # Not kept in a local: the error has this frame, and the frame would have the error and the body.
            return self._answered(error, exchange, path, posted.route)
        return self._answered(reply, exchange, path, posted.route)

    def asked(self, posted: Posted, path: str, query: bytes, headers: Headers) -> Asked:
        """What a head asks for."""
        given = next((value for name, value in headers if name == b"x-request-timeout"), None)
        try:
            timeout_s, wrong = time_of(given, self._services.settings), None
        except ServiceError as error:
            timeout_s, wrong = 0.0, error.with_traceback(None)  # which holds on to the whole connection
        return Asked(posted, path, query, headers, timeout_s, wrong)

    def begin_at_once(
        self, asked: Asked, client: object, body: bytes, came: float, done: Callable[[Answered | None], None]
    ) -> AtOnce | Answered | None:
        """Begin one request that is whole since it `came`: `done` is called with its answer, or None where its client
        has gone.

        What cannot be begun is answered here. None where it takes more than one call of the engine.
        """
        exchange = Exchange(asked.request_id, came)

        def finished(outcome: Reply | Exception) -> None:
            done(self._answered(outcome, exchange, asked.path, asked.posted.route))

        try:
            return begin_at_once(asked, client, body, self._services, exchange, finished)
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            return self._answered(error, exchange, asked.path, asked.posted.route)

    def refusal(self, asked: Asked) -> bytes | Answered | None:
        """The answer to a request that is not worth beginning, accounted for; None for all others.

        Bytes are what comes after the status line of a 503 and the server's own headers.
        """
        if asked.wrong is not None:
            return self._unbegun(asked.wrong, asked)
        posted, query = asked.posted, bool(asked.query)
        return self._too_much(posted, asked.path, asked.request_id, asked.timeout_s, has_query=query)

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
        path = request.path.decode("ascii")
        return self._too_much(posted, path, request.request_id, timeout_s, has_query=request.has_query)

    def _too_much(
        self, posted: Posted, path: str, request_id: bytes | None, timeout_s: float, *, has_query: bool
    ) -> bytes | None:
        objection = self._objection(posted, timeout_s, has_query=has_query)
        if objection is None:
            return None
        problem, model = objection
        heeded = heeded_id(request_id)
        self._account.refused(heeded, model, path, posted.route, problem.error.status)
        return problem.rendered(heeded, model)

    def _objection(self, posted: Posted, timeout_s: float, *, has_query: bool) -> tuple[Told, str] | None:
        """Why one more request with so much time is not worth beginning, and the model whose queue is full."""
        if self._services.watch.refuses(timeout_s):
            return _TOO_LATE, ""
        full = self._full(posted, has_query=has_query)
        return (_QUEUE_FULL, full) if full else None

    def begins_now(self) -> bool:
        """Whether a request that was not refused is begun now, and not when it `waits` for its turn."""
        return self._services.watch.congestion.begins_now()

    def waits(self, asked: Asked, begin: Begin, refused: Callable[[Answered], None]) -> None:
        """Call `begin` when it is the request's turn, or `refused` with its answer where that would be too late."""
        congestion = self._services.watch.congestion
        congestion.waits(begin, lambda: refused(self._unbegun(_TOO_LATE.error, asked)), asked.timeout_s)

    def gone(self, asked: Asked, came: float) -> None:
        """Account for a client that has hung up before it was its turn."""
        self._answered(ClientDisconnect(), Exchange(asked.request_id, came), asked.path, asked.posted.route)

    def _unbegun(self, error: ServiceError, asked: Asked, model: str = "") -> Answered:
        exchange = Exchange(asked.request_id)
        exchange.model = model
        return self._refused(error, exchange, asked.path, asked.posted.route)

    async def _serve(self, posted: Posted, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self.asked(posted, scope["path"], scope["query_string"], scope["headers"])
        error, model = asked.wrong, ""
        if error is None:
            objection = self._objection(posted, asked.timeout_s, has_query=bool(asked.query))
            if objection is not None:
                error, model = objection[0].error, objection[1]
        if error is not None:
            answered: Answered | None = self._unbegun(error, asked, model)
        else:
            answered = await self.answer(posted, scope, receive)
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


def refusing(account: Account) -> Callable[[ServiceError], bytes]:
    """How a connection refuses a head that no application sees: noted down, as headers and body."""

    def refuse(error: ServiceError) -> bytes:
        exchange = Exchange(None)
        account.close(exchange, "-", "-", "unmatched", error.status)
        return Told(error).rendered(exchange.request_id)

    return refuse
