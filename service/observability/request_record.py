"""What is known of a request while it is answered, and what is written down of it afterwards: metrics, one log line."""

from __future__ import annotations

import itertools
import re
import secrets
import time

from starlette.types import Scope

from service.observability.logs import RequestLog
from service.observability.metrics import Metrics

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""Routes that are asked every few seconds: no log line unless they fail."""

_own_ids = zip(itertools.repeat(secrets.token_hex(8)), itertools.count(secrets.randbits(31)), strict=False)


def heeded_id(given: bytes | None) -> str:
    """The id of a request: what came as X-Request-ID or, where it is no visible ASCII of at most 128, one that is
    made."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    prefix, number = next(_own_ids)
    return f"{prefix}{number:016x}"


class Exchange:
    """One request; handlers fill in what they learn."""

    __slots__ = ("items", "model", "request_id", "started")

    def __init__(self, given_id: bytes | None, came: float | None = None) -> None:
        """`given_id` is what came as X-Request-ID.

        `came` is when the request did, on the clock of time.monotonic: now, unless it has waited for its turn.
        """
        self.request_id = heeded_id(given_id)
        self.model = ""
        self.items = 0
        self.started = time.monotonic() if came is None else came


def given_id(scope: Scope) -> bytes | None:
    """X-Request-ID as it came."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: bytes = value
            return given
    return None


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange


class Account:
    """Closes exchanges."""

    def __init__(self, metrics: Metrics, log: RequestLog) -> None:
        self._metrics, self._log = metrics, log

    def close(self, exchange: Exchange, method: str, path: str, route: str, status: int) -> None:
        """Count a request and write its line; `route` is the path as routes have it, one of few."""
        seconds = time.monotonic() - exchange.started
        self._note(exchange.request_id, exchange.model, f"{method} {path}", route, exchange.items, status, seconds)

    def refused(self, request_id: str, model: str, path: str, route: str, status: int) -> None:
        """The same for a post that was refused as it came: nothing of it has begun, and it took no time."""
        self._note(request_id, model, f"POST {path}", route, 0, status, 0.0)

    def _note(
        self, request_id: str, model: str, verb: str, route: str, items: int, status: int, seconds: float
    ) -> None:
        self._metrics.observe_request(route, model.partition("@")[0], status, items, seconds)
        if status >= 500 or route not in _QUIET:
            self._log.write(request_id, model, verb, items, status, seconds)
