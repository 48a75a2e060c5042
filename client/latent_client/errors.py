"""Errors of a call: one small tree under `LatentError`.

LatentError
├── UnusableInput        refused here, before anything was sent (a ValueError too)
├── ConnectionFailed     no answer came; names the URL
│   └── TimedOut         … within timeout_s
├── UnreadableReply      an answer came that is not what was asked for
└── ProblemError         the server said no (RFC 9457)
    ├── BadRequest       4xx
    │   └── NotFound     404
    ├── Unavailable      503: queue full, no ready version, shutting down
    └── DeadlineExceeded 504: the server gave up at the deadline it was given
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_SHOWN_ERRORS = 3


class LatentError(Exception):
    """Base of all errors of this client. `str(error)` is one sentence for a person."""


class UnusableInput(LatentError, ValueError):
    """An argument cannot be sent in a request; nothing was sent."""


class ConnectionFailed(LatentError):
    """No complete answer came from `url`: connection refused, host not found, or connection lost."""

    def __init__(self, url: str, reason: str) -> None:
        """`url` is the full address of the request, `reason` the transport's message."""
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        """Return one sentence that names the URL."""
        return f"no answer from {self.url}: {self.reason}"


class TimedOut(ConnectionFailed):
    """No complete answer came from `url` in time."""


class UnreadableReply(LatentError):
    """The server answered with success, but not in the format that was asked for."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document (RFC 9457), or a substitute for it when a proxy answered instead of the service.

    `errors` lists bad values, each with `loc`, `expected` and `got`; `request_id` is the document's
    `instance`; `retry_after_s` is the header Retry-After in seconds from now (RFC 9110, 10.2.3).
    """

    status: int
    title: str
    type: str = "about:blank"
    detail: str = ""
    errors: tuple[Mapping[str, object], ...] = ()
    request_id: str | None = None
    retry_after_s: float | None = field(default=None, compare=False)


class ProblemError(LatentError):
    """The server answered with a status other than success."""

    def __init__(self, problem: Problem) -> None:
        """Take over all fields of `problem`."""
        super().__init__(problem)
        self.status = problem.status
        self.type = problem.type
        self.title = problem.title
        self.detail = problem.detail
        self.errors = problem.errors
        self.request_id = problem.request_id
        self.retry_after_s = problem.retry_after_s

    def __str__(self) -> str:
        """Return status, title, detail, the first bad values and the request id, in one line."""
        line = f"{self.status} {self.title}"
        if self.detail:
            line += f": {self.detail}"
        if self.errors:
            line += f" ({'; '.join(_sentence(error) for error in self.errors[:_SHOWN_ERRORS])})"
        if self.request_id:
            line += f" [request {self.request_id}]"
        return line


class BadRequest(ProblemError):
    """4xx: the request can never succeed as it is."""


class NotFound(BadRequest):
    """404: no such model, version or path."""


class Unavailable(ProblemError):
    """503: the service cannot answer now; `retry_after_s` says when to try again, if the server knows."""


class DeadlineExceeded(ProblemError):
    """504: the work was not done within `timeout_s`. Never repeated automatically: that would only add load."""


def error_for(problem: Problem) -> ProblemError:
    """Return the error class for `problem.status`."""
    if problem.status in _BY_STATUS:
        return _BY_STATUS[problem.status](problem)
    return (BadRequest if 400 <= problem.status < 500 else ProblemError)(problem)


_BY_STATUS: dict[int, type[ProblemError]] = {404: NotFound, 503: Unavailable, 504: DeadlineExceeded}


def _sentence(error: Mapping[str, object]) -> str:
    """Format one entry of `errors` as `inputs.3: expected …, got …`."""
    loc = error.get("loc")
    where = ".".join(map(str, loc)) if isinstance(loc, list) else str(loc)
    return f"{where}: expected {error.get('expected')}, got {error.get('got')}"
