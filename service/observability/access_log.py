"""The access log: collects facts about a request while it is answered, then writes its log line and its metrics."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import structlog
from starlette.types import Scope

from service.observability.logs import for_people
from service.observability.metrics import Metrics
from service.settings import Settings

CLIENT_GONE = 499
"""Logged as the status of a request whose client hung up before the answer."""

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""Routes that probes call every few seconds: logged only when they fail."""
_MOST_CHARS = 256  # of a method with its path, in a line
_FLUSH_S = 0.05
_ATOMIC = 4096  # bytes; PIPE_BUF on Linux (pipe(7)): longer writes of several workers may mix in one pipe
_FULL = _ATOMIC - 256
"""Lines are written early once they fill one write: 50 ms of lines would be ten writes, and delay a request."""
_PLAIN = re.compile(r"[\w@/ .:+=-]*", re.ASCII)

_made_ids = zip(itertools.repeat(secrets.token_hex(8)), itertools.count(secrets.randbits(31)), strict=False)


def request_id_of(given: bytes | None) -> str:
    """The id of a request: its X-Request-ID where that is 1 to 128 visible ASCII characters, else a new id."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    prefix, number = next(_made_ids)
    return f"{prefix}{number:016x}"


class RequestRecord:
    """Facts about one request for the access log: id, model, number of items, start. Filled in while it is answered."""

    __slots__ = ("items", "model", "request_id", "started")

    def __init__(self, given_id: bytes | None, started: float | None = None) -> None:
        """`given_id` is the client's X-Request-ID; `started` is a time of time.monotonic, now where None."""
        self.request_id = request_id_of(given_id)
        self.model = ""
        self.items = 0
        self.started = time.monotonic() if started is None else started


def given_id(headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    """The value of the header X-Request-ID, not checked; None where it is missing."""
    return next((value for name, value in headers if name == b"x-request-id"), None)


def record_of(scope: Scope) -> RequestRecord:
    """The request record that RecordMiddleware put into an ASGI scope."""
    record: RequestRecord = scope["state"]["record"]
    return record


class AccessLog:
    """Writes one log line for each request, and counts the request in the metrics."""

    def __init__(self, metrics: Metrics, settings: Settings) -> None:
        self._metrics, self._lines = metrics, _Lines(settings)

    def record(self, record: RequestRecord, method: str, path: str, route: str, status: int) -> None:
        """Log and count an answered request; `route` is the path template of its route, so that labels are bounded."""
        seconds = time.monotonic() - record.started
        self._note(record.request_id, record.model, f"{method} {path}", route, record.items, status, seconds)

    def record_refused(self, request_id: str, method: str, path: str, route: str, status: int) -> None:
        """Log and count a request that was refused on arrival, with a duration of 0."""
        self._note(request_id, "", f"{method} {path}", route, 0, status, 0.0)

    def close(self) -> None:
        """Write the lines that are still buffered; call it before the event loop ends."""
        self._lines.close()

    def _note(
        self, request_id: str, model: str, verb: str, route: str, items: int, status: int, seconds: float
    ) -> None:
        self._metrics.observe_request(route, model.partition("@")[0], status, items, seconds)
        if status >= 500 or route not in _QUIET:
            self._lines.write(request_id, model, verb[:_MOST_CHARS], items, status, seconds)  # it is kept: see _what


class _Lines:
    """Formats log lines (one JSON line in a microsecond), buffers them, and writes many with one call."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.log_level in ("debug", "info")
        self._people = for_people(settings)
        self._structured = structlog.get_logger("latent.request")
        self._lines: list[str] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = False
        self._second, self._prefix = -1, ""

    def write(self, request_id: str, model: str, verb: str, items: int, status: int, seconds: float) -> None:
        """Add the line of an answered request. Lines are written in order, at most 50 ms later.

        A full buffer is written after the answers of this turn of the event loop are sent, while clients read these.
        """
        if not self._on:
            return
        if self._people:
            self._structured.info(
                "request",
                id=request_id,
                model=model or None,
                verb=verb,
                items=items,
                status=status,
                milliseconds=round(1e3 * seconds, 3),
            )
            return
        timing = f'"milliseconds":{1e3 * seconds:.3f},"event":"request","level":"info","timestamp":"{self._now()}"'
        line = f'{{"id":{_quoted(request_id)},{_what(model, verb, items, status)},{timing}}}\n'
        self._lines.append(line)
        self._size += len(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self.close)
        if self._size > _FULL and not self._flushing:  # after this turn of the loop has sent its answers
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def close(self) -> None:
        """Stop the timer, and write the buffered lines."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flush()

    def _flush(self) -> None:
        """Write the buffered lines, whole lines in each write: other workers may write to the same pipe."""
        lines, self._lines, self._size, self._flushing = self._lines, [], 0, False
        piece = ""
        for line in lines:
            if piece and len(piece) + len(line) > _ATOMIC:  # a line longer than one write stands alone
                sys.stderr.write(piece)
                piece = ""
            piece += line
        if piece:
            sys.stderr.write(piece)

    def _now(self) -> str:
        """The time now (UTC, ISO 8601)."""
        second, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{microseconds:06d}Z"


@lru_cache(maxsize=1024)
def _what(model: str, verb: str, items: int, status: int) -> str:
    """The part of a JSON line that repeats: model, verb, items, status. Cached."""
    quoted = _quoted(model) if model else "null"
    return f'"model":{quoted},"verb":{_quoted(verb)},"items":{items},"status":{status}'


def _quoted(text: str) -> str:
    """Text as a JSON string. Letters, digits and a few signs, the common case, need only quotes."""
    return f'"{text}"' if (text.isascii() and text.isalnum()) or _PLAIN.fullmatch(text) else json.dumps(text)
