"""uvicorn's HTTP/1.1 protocol with guards: bounded heads, no protocol upgrades, idle and write timeouts.

httptools has no limit for the size of a head, and skips the body of a request with an `Upgrade` header. Both faults are
mended here, for the fast path and for FastAPI's routes.
"""

from __future__ import annotations

import fcntl
import sys
import termios
import time
from collections.abc import Sequence
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.connections.answer import Answer
from service.errors import HeadTooLarge, ServiceError
from service.limits import InFlightBytes
from service.observability.access_log import AccessLog, request_id_of
from service.unstable_names import require
from service.wire.problems import RenderedProblem

require("uvicorn")
require("httptools")

MAX_HEAD_BYTES = 64 << 10
"""The limit for a request line with its header fields, for trailers, and for the extensions of one chunk."""
MAX_HEAD_FIELDS = 100
_ONE_WRITE_BYTES = 1 << 14
_LINGER_S, _LINGER_BYTES = 1.0, 1 << 20
"""A client that still sends when it is refused may go on for so long and so many bytes, so that it can read the refusal
(RFC 9112, 9.6)."""

Headers = Sequence[tuple[bytes, bytes]]

_INVALID = b"Invalid HTTP request received."
_BAD_REQUEST = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
    len(_INVALID),
    _INVALID,
)


_openings: dict[int, tuple[list[tuple[bytes, bytes]], bytes]] = {}
"""By status: the server's own headers, and the rendered beginning of a response with these headers."""


class _StopParsing(Exception):
    """Stops the parser from inside one of its callbacks."""


class GuardedProtocol(HttpToolsProtocol):
    """A client's connection with limits and timeouts; reads requests, and passes them on to uvicorn."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - uvicorn's own
        access_log: AccessLog,
        in_flight: InFlightBytes,
        write_timeout_s: float,
        **kwargs: Any,  # noqa: ANN401 - uvicorn's own
    ) -> None:
        """`access_log` gets the requests that are refused before the application sees them; `in_flight` counts the
        bytes of answers that the client has not taken.

        The connection is closed where the client reads nothing of its answer for `write_timeout_s`.
        """
        super().__init__(*args, **kwargs)
        self._access_log, self._in_flight, self._write_timeout_s = access_log, in_flight, write_timeout_s
        self._segment_bytes = self._framing_bytes = 0
        """Size of the data being parsed; bytes of heads and chunk framing since the last piece of a body."""
        self._offer: tuple[bytes, bytes, str, Headers] | None = None
        """Method, target, version and headers of a request that offers an upgrade."""
        self._too_large = False
        self._final_answer: bytes | None = None
        """The last response on this connection, written after the responses to earlier requests; else None."""
        self._discarded_bytes = 0
        self._begun: RequestResponseCycle | None = None
        """The request that is being answered, or was answered last; pipelined requests may wait behind it."""
        self._idle_since: float | None = None
        self._unsent_bytes, self._stalled_since = 0, 0.0
        self._counted_bytes = 0
        """Bytes of answers in the transport's buffer, as counted in `in_flight`."""

    # -- reading -------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - an asyncio.Transport, as uvicorn has it
        """Called for a new connection: its first request must begin within the keep-alive time."""
        super().connection_made(transport)
        self._idle_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Called with data from the client: parse it; after a refusal, discard it."""
        if self._final_answer is not None:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > _LINGER_BYTES:
                self.transport.abort()
            return
        rest: bytes | memoryview = data
        try:
            while (ended_at := self._parse(rest)) is not None:
                self._ignore_upgrade()
                rest = memoryview(rest)[ended_at:]
        except httptools.HttpParserError:
            self._refuse_the_rest(_too_large() if self._too_large else None)
        else:
            if self._framing_bytes > MAX_HEAD_BYTES:
                self._refuse_the_rest(_too_large())

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed: tell the request that is being answered."""
        begun = self._begun
        if begun is not None and not begun.response_complete:  # uvicorn tells only the last pipelined request
            begun.disconnected = True
            begun.message_event.set()
        self._count_unsent(0)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Called by the parser after a head: check its limits, and note an offered upgrade."""
        if max(self._framing_bytes, self._segment_bytes) > MAX_HEAD_BYTES or len(self.headers) > MAX_HEAD_FIELDS:
            self._check_head()
        self._framing_bytes = 0
        self._idle_since = None
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offer = self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
            return
        self.head_received()
        self.headers = []  # trailers do not join the headers of a request that has begun

    def on_body(self, body: bytes) -> None:
        """Called by the parser with a piece of the body."""
        self._framing_bytes = 0
        self.body_received(body)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a request."""
        self._framing_bytes = 0
        if self._offer is None:
            self.request_received()

    def head_received(self) -> None:
        """Start a request as uvicorn does: its head has arrived."""
        super().on_headers_complete()

    def body_received(self, body: bytes) -> None:
        """Give the current request a piece of its body, as uvicorn does."""
        super().on_body(body)

    def request_received(self) -> None:
        """Tell the current request that its body is whole, as uvicorn does."""
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        self._begun = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Called after a response: start the idle time. The server checks idle connections once a second, because a
        timer for each response would cost 2 µs."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = time.monotonic()
        if self._final_answer is not None:
            self._send_final_answer()

    # -- writing -------------------------------------------------------------------------------------------

    def opening(self, status: int) -> bytes:
        """The status line and the server's own headers, rendered again when uvicorn changes them once a second."""
        own = self.server_state.default_headers
        kept = _openings.get(status)
        if kept is None or kept[0] is not own:
            kept = _openings[status] = own, STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % header for header in own)
        return kept[1]

    def write_answer(self, answer: Answer, *, keep_alive: bool) -> None:
        """Write a complete response; close the connection where the response or `keep_alive` says so."""
        lines, says_so = [self.opening(answer.status)], False
        for name, value in answer.headers:
            lines += (name, b": ", value, b"\r\n")
            says_so = says_so or (name == b"connection" and value.lower() == b"close")
        lines.append(b"\r\n" if keep_alive or says_so else b"connection: close\r\n\r\n")
        if len(answer.content) <= _ONE_WRITE_BYTES:
            lines.append(answer.content)
            self.transport.write(b"".join(lines))
        else:
            self.transport.write(b"".join(lines))
            self.transport.write(answer.content)
        if says_so or not keep_alive:
            self.transport.close()

    def write_refusal(self, refusal: bytes, *, keep_alive: bool) -> None:
        """Write a 503 whose other headers and body are rendered, and hang up where the connection is not kept."""
        if keep_alive:
            self.transport.write(self.opening(503) + refusal)
        else:
            self.transport.write(self.opening(503) + refusal.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
            self.transport.close()

    # -- refusing ------------------------------------------------------------------------------------------

    def _parse(self, data: bytes | memoryview) -> int | None:
        """Parse data; return None, or the offset at which a request that offers an upgrade ended."""
        self._segment_bytes = len(data)
        self._framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._offer is None:  # CONNECT
                raise httptools.HttpParserError from None
            ended_at: int = offer.args[0]
            return ended_at
        return None

    def _check_head(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEAD_FIELDS:
            self._too_large = True
            raise _StopParsing

    def _ignore_upgrade(self) -> None:
        """Parse the head again without its Upgrade header: a server may ignore the offer (RFC 9110, 7.8)."""
        if self._offer is None:
            return
        (method, target, version, headers), self._offer = self._offer, None
        lines = [b"%b %b HTTP/%b\r\n" % (method, target, version.encode())]
        for name, value in headers:
            if b"\r" in value or b"\n" in value:
                raise httptools.HttpParserError("a folded header")
            if name != b"upgrade":
                lines.append(b"%b: %b\r\n" % (name, _without_upgrade(value) if name == b"connection" else value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(b"".join([*lines, b"\r\n"]))

    def _refuse_the_rest(self, error: ServiceError | None) -> None:
        """Refuse unreadable data after answering all earlier requests, and hang up; `error` None: it is no HTTP."""
        if error is None:
            self.logger.warning(_INVALID)
        answer = (
            self.opening(400) + _BAD_REQUEST if error is None else self.opening(error.status) + self._problem(error)
        )
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._final_answer = answer if cycle is None or not cycle.more_body else b""
        elif not cycle.more_body:  # the request before is whole, and will be answered
            self._final_answer = answer
            return
        elif self.pipeline:  # the refused data is the body of the last request; others are answered before
            self.pipeline.popleft()
            self._final_answer = answer
            return
        else:
            self._final_answer = b"" if cycle.response_started else answer
        self._send_final_answer()

    def _problem(self, error: ServiceError) -> bytes:
        """Log a refusal that the application does not see; return its rendered headers and body."""
        request_id = request_id_of(None)
        self._access_log.record_refused(request_id, "-", "-", "unmatched", error.status)
        return RenderedProblem(error).rendered(request_id)

    def _send_final_answer(self) -> None:
        """Write the last response, and close the connection after a short wait."""
        if self._final_answer:
            self.transport.write(self._final_answer)
        self._final_answer = b""
        self._idle_since = None
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(_LINGER_S, self.transport.abort)
        else:
            self.transport.close()

    # -- timeouts ------------------------------------------------------------------------------------------

    def hang_up_if_idle(self, now: float) -> None:
        """Close the connection where it was idle for the keep-alive time, or stalled for the write timeout.

        `now` is a time of time.monotonic. Called about once a second.
        """
        if self._counted_bytes:
            self._count_unsent(self.transport.get_write_buffer_size())
        before, self._unsent_bytes = self._unsent_bytes, self._untaken_bytes()
        if not before or self._unsent_bytes < before:  # fewer unsent bytes: the client has read some
            self._stalled_since = now
        if self._unsent_bytes:
            if now - self._stalled_since >= self._write_timeout_s:
                self.transport.abort()
        elif self._idle_since is not None and now - self._idle_since >= self.timeout_keep_alive:
            self.transport.close()

    def _untaken_bytes(self) -> int:
        """Bytes that the client has not read yet; 0 where the kernel's send buffer holds all of them."""
        buffered: int = self.transport.get_write_buffer_size()
        if not buffered:
            return 0
        # The kernel asks for more only when a third of its buffer of megabytes is free: a slow client needs minutes.
        try:
            queued = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return buffered
        return buffered + int.from_bytes(queued, sys.byteorder)

    def resume_writing(self) -> None:
        """Called when the client has read much of a response: restart the write timeout."""
        self._unsent_bytes = 0
        self._count_unsent(self.transport.get_write_buffer_size())
        super().resume_writing()

    def pause_writing(self) -> None:
        """Called when the client does not take a response as fast as it is written: the rest stays in memory."""
        self._count_unsent(self.transport.get_write_buffer_size())
        super().pause_writing()

    def _count_unsent(self, nbytes: int) -> None:
        self._in_flight.change(nbytes - self._counted_bytes)
        self._counted_bytes = nbytes


def _without_upgrade(connection: bytes) -> bytes:
    """A Connection header's options without `upgrade`; `keep-alive`, the default, where no other is left."""
    options = (option for option in connection.split(b",") if option.strip().lower() != b"upgrade")
    return b",".join(options) or b"keep-alive"


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(
        f"the head, or what frames the body, is over the limit of {MAX_HEAD_BYTES} bytes or {MAX_HEAD_FIELDS} fields"
    )
