"""Renders every exception as application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from model_store.errors import StoreError
from service.errors import MethodNotAllowed, NotFound, ServiceError, UnreadableBody, from_limits, from_store
from service.limits import Abandoned, LimitReached
from service.wire.negotiation import PROBLEM

Headers = tuple[tuple[str, str], ...]
Describe = Callable[[str, str], dict[str, Any]]
RawHeaders = tuple[tuple[bytes, bytes], ...]

log = structlog.get_logger("latent.request")


def as_problem(error: Exception) -> ServiceError:
    """Convert any exception to the ServiceError that the client gets."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, StoreError):
        return from_store(error)
    if isinstance(error, LimitReached | Abandoned):
        return from_limits(error)
    return ServiceError("something went wrong; the service's log has the cause under this id")


def logged_problem(
    error: ServiceError, request_id: str, path: str, cause: BaseException | None
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The status, headers and body of a problem; for a status of 500, `cause` or its own `__cause__` is logged."""
    if error.status == 500 and cause is not None:
        log.error("failed", id=request_id, path=path, exc_info=cause.__cause__ or cause)
    if error.errors:
        content, own = orjson.dumps(error.problem(request_id)), _headers_of(tuple(error.headers.items()))
    else:
        content, own = _worded(error, request_id)
    return error.status, [*own, (b"content-length", b"%d" % len(content))], content


class RenderedProblem:
    """A problem without fields, rendered once for all requests except for the id: used most often under overload."""

    def __init__(self, error: ServiceError) -> None:
        self.error = error
        self._kept: dict[int, tuple[bytes, bytes]] = {}

    def rendered(self, request_id: str) -> bytes:
        """The bytes of headers and body, to follow the server's own headers."""
        quoted = orjson.dumps(request_id)
        before, after = self._kept.get(len(quoted)) or self._render(len(quoted))
        return b"%b%b%b%b}" % (before, request_id.encode(), after, quoted)

    def _render(self, id_bytes: int) -> tuple[bytes, bytes]:
        """Render the bytes before the id in the headers, and the bytes from there to the id in the body."""
        error = self.error
        content, headers = _rendered(error.described, error.detail, tuple(error.headers.items()))
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        before = b"%bcontent-length: %d\r\nx-request-id: " % (lines, len(content) + id_bytes + 1)
        after = b"\r\n\r\n%b" % content
        self._kept[id_bytes] = before, after
        return before, after


def _worded(error: ServiceError, request_id: str) -> tuple[bytes, RawHeaders]:
    """The body and headers of a problem without fields."""
    before, headers = _rendered(error.described, error.detail, tuple(error.headers.items()))
    return before + orjson.dumps(request_id) + b"}", headers


@lru_cache(maxsize=256)
def _rendered(describe: Describe, detail: str, headers: Headers) -> tuple[bytes, RawHeaders]:
    """The body of a problem without fields up to the request id, which comes last; and the headers.

    Cached: the same few problems are sent again and again, most often under overload.
    """
    return orjson.dumps(describe(detail, "")).removesuffix(b'""}'), _headers_of(headers)


@lru_cache(maxsize=256)
def _headers_of(headers: Headers) -> RawHeaders:
    given = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in headers)
    return ((b"content-type", PROBLEM.encode()), *given)


def _methods_at(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """The methods of all routes at a path; the framework gives only those of the first route."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def install_problems(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make the application answer every error of the service, the store and the framework as a problem; the Allow
    header of a 405 lists the methods of `routes` and of the application's own routes."""

    def respond(request: Request, error: ServiceError, cause: BaseException | None = None) -> Response:
        request_id = request.scope["state"]["record"].request_id
        status, headers, content = logged_problem(error, request_id, request.url.path, cause or error)
        response = Response(content, status)
        response.raw_headers = headers
        return response

    async def known_error(request: Request, error: Exception) -> Response:
        return respond(request, as_problem(error), error)

    async def http_error(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        if error.status_code == 404:
            return respond(request, NotFound(f"there is nothing at {request.url.path[:200]}"))
        if error.status_code == 405:
            allowed = ", ".join(_methods_at([*routes, *app.routes], request.scope))
            detail = f"{request.method} does not work here; these do: {allowed}"
            return respond(request, MethodNotAllowed(detail, headers={"Allow": allowed}))
        return respond(request, UnreadableBody("the request cannot be read"))

    async def gone(request: Request, error: Exception) -> Response:
        del request, error
        return Response(status_code=499)  # only for the log and the metrics: the client has gone

    for kind in (ServiceError, StoreError, LimitReached, Abandoned):
        app.add_exception_handler(kind, known_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(ClientDisconnect, gone)
