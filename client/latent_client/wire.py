"""Conversion of requests to httpx, and of httpx's replies and errors to ours. Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from latent_client.calls import Request
from latent_client.errors import ConnectionFailed, LatentError, Problem, TimedOut, UnusableInput, error_for
from latent_client.version import __version__

GRACE_S = 0.5
"""The server gets this much less time than we wait, so that its own 504 arrives, which says more."""

_CONNECT_TIMEOUT_S = 5.0
_SHOWN_CHARACTERS = 200


def base_url(address: str) -> httpx.URL:
    """Check an address such as http://host:8000/prefix. Raises UnusableInput."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise UnusableInput(f"base_url {address!r}: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise UnusableInput(f"base_url {address!r} must look like http://host:port")
    return url


def default_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers of every request; the caller's own come last."""
    return {"User-Agent": f"latent-client/{__version__}", **(headers or {})}


def build(http: httpx.Client | httpx.AsyncClient, request: Request, *, left_s: float) -> httpx.Request:
    """Build the httpx request of a connection, with a server-side deadline of `left_s` seconds."""
    wait_s = left_s + GRACE_S
    return http.build_request(
        request.method,
        request.path,
        params=request.params,
        headers={**request.headers, "X-Request-Timeout": f"{left_s:.3f}"},
        content=request.content,
        files=request.files,
        timeout=httpx.Timeout(wait_s, connect=min(wait_s, _CONNECT_TIMEOUT_S)),
    )


def checked(reply: httpx.Response) -> httpx.Response:
    """Return a reply that succeeded; raise ProblemError for any other."""
    if reply.is_success:
        return reply
    raise error_for(_problem(reply))


def failure(request: httpx.Request, error: httpx.RequestError) -> LatentError:
    """Convert an httpx error to one of ours that names the URL."""
    kind = TimedOut if isinstance(error, httpx.TimeoutException) else ConnectionFailed
    return kind(str(request.url), f"{type(error).__name__}: {error}".removesuffix(": "))


def _problem(reply: httpx.Response) -> Problem:
    retry_after_s = _seconds(reply.headers.get("retry-after"))
    request_id = reply.headers.get("x-request-id")
    document = _problem_document(reply)
    if document is None:
        kind = reply.headers.get("content-type", "no content type")
        return Problem(
            status=reply.status_code,
            title=reply.reason_phrase or "No reason given",
            detail=f"{reply.url} answered with {kind}: {reply.text[:_SHOWN_CHARACTERS]!r}",
            request_id=request_id,
            retry_after_s=retry_after_s,
        )
    errors = document.get("errors")
    return Problem(
        status=reply.status_code,
        title=str(document.get("title") or reply.reason_phrase),
        type=str(document.get("type") or "about:blank"),
        detail=str(document.get("detail") or ""),
        errors=tuple(error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else (),
        request_id=str(document.get("instance") or "") or request_id,
        retry_after_s=retry_after_s,
    )


def _problem_document(reply: httpx.Response) -> dict[str, object] | None:
    if not reply.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        document = reply.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _seconds(retry_after: str | None) -> float | None:
    """Read Retry-After in either form (RFC 9110, 10.2.3) as seconds from now, at least 0."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
