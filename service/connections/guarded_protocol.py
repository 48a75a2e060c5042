"""uvicorn's HTTP/1.1 protocol with guards: strict and bounded heads, no upgrades, timeouts, one answer for a request.

httptools has no limit for the size of a head, skips the body of a request with an `Upgrade` header, and leaves the
rules of `head_rules.py` to its user. All that is mended here, for the fast path and for FastAPI's routes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.connections.answer import Answer
from service.connections.application_call import ApplicationCall
from service.connections.head_rules import expects_continue, fault_of, fault_of_trailers, is_usual, split_absolute
from service.connections.parser_faults import fault_of_parser
from service.connections.unsent import UnsentBytes
from service.connections.upgrade_offers import head_without_offer
from service.errors import HeadTimeout, HeadTooLarge, ServiceError
from service.limits import InFlightBytes
from service.observability.access_log import AccessLog, given_id, request_id_of
from service.unstable_names import require
from service.wire.problems import logged_problem

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
        head_timeout_s: float,
        write_timeout_s: float,
        **kwargs: Any,  # noqa: ANN401 - uvicorn's own
    ) -> None:
        """`access_log` gets the requests that are refused before the application sees them; `in_flight` counts the
        bytes of answers that the client has not taken.

        A head that has begun must be whole within `head_timeout_s`. The connection is closed where the client reads
        nothing of its answer for `write_timeout_s`.
        """
        super().__init__(*args, **kwargs)
        self._access_log, self._in_flight = access_log, in_flight
        self._head_timeout_s, self._write_timeout_s = head_timeout_s, write_timeout_s
        self._between = True
        """True between two requests; False while a request has arrived only in part."""
        self._segment_bytes = self._framing_bytes = 0
        """Size of the data being parsed; bytes of heads and chunk framing since the last piece of a body."""
        self._method, self._version = b"", ""
        """Of the last head."""
        self._offer: tuple[bytes, bytes, str, Headers] | None = None
        """Method, target, version and headers of a request that offers an upgrade."""
        self._fault: ServiceError | None = None
        """What is wrong with the data, where a callback of the parser found it."""
        self._body_error: Callable[[], ServiceError] | None = None
        """Makes the error of the last request, where its body broke on its way."""
        self._final_answer: bytes | None = None
        """The last response on this connection, written after the responses to earlier requests; empty where one of
        these is the last. None while requests are read."""
        self._discarded_bytes = 0
        self._begun: RequestResponseCycle | None = None
        """The request that is being answered, or was answered last; pipelined requests may wait behind it."""
        self._idle_since: float | None = None
        self._head_since: float | None = None
        """When a head was first seen that is not whole yet; 0 until it is looked for, None where there is none."""

    # -- reading -------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - an asyncio.Transport, as uvicorn has it
        """Called for a new connection: its first request must begin within the keep-alive time."""
        super().connection_made(transport)
        self._unsent = UnsentBytes(transport, self._in_flight)
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
        except httptools.HttpParserError as error:
            self._refuse_the_rest(self._fault or fault_of_parser(error))
        else:
            if self._framing_bytes > MAX_HEAD_BYTES:
                self._refuse_the_rest(_too_large())

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed: tell the request that is being answered."""
        begun = self._begun
        if begun is not None and not begun.response_complete:  # uvicorn tells only the last pipelined request
            begun.disconnected = True
            begun.message_event.set()
        self._unsent.forget()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Called by the parser at the first byte of a request."""
        self._between, self._head_since = False, 0.0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser with a header; blanks after a value are no part of it (RFC 9112, 5.1)."""
        self.headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        """Called by the parser after a head: check it, and note an offered upgrade."""
        if max(self._framing_bytes, self._segment_bytes) > MAX_HEAD_BYTES or len(self.headers) > MAX_HEAD_FIELDS:
            self._check_size()
        self._framing_bytes = 0
        self._idle_since = self._head_since = None
        parser = self.parser
        self._method, self._version = parser.get_method(), parser.get_http_version()
        offers_upgrade = parser.should_upgrade()  # CONNECT counts as one as well
        if offers_upgrade or not is_usual(self.url, self._version, self.headers):
            self._check_head()
        if offers_upgrade:
            self._offer = self._method, self.url, self._version, self.headers
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
        if self._offer is not None:
            return
        if self.headers and (fault := fault_of_trailers(self.headers)) is not None:
            self._stop_parsing(fault)
        self._between = True
        self.request_received()

    def head_received(self) -> None:
        """Start a request as uvicorn does: its head has arrived."""
        super().on_headers_complete()
        if not self.parser.should_keep_alive():  # not every release of uvicorn reads a list of options
            self.cycle.keep_alive = False

    def body_received(self, body: bytes) -> None:
        """Give the current request a piece of its body, as uvicorn does."""
        super().on_body(body)

    def request_received(self) -> None:
        """Tell the current request that its body is whole, as uvicorn does."""
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        self._begun = cycle
        call: Any = ApplicationCall(app, cycle, partial(self._check_body, cycle), self._close_after_answer)
        super()._start_asgi_task(cycle, call)

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
            self._close_after_answer()

    def write_refusal(self, refusal: bytes, *, keep_alive: bool) -> None:
        """Write a 503 whose other headers and body are rendered, and hang up where the connection is not kept."""
        if keep_alive:
            self.transport.write(self.opening(503) + refusal)
        else:
            self.transport.write(self.opening(503) + refusal.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
            self._close_after_answer()

    # -- checking ------------------------------------------------------------------------------------------

    def _parse(self, data: bytes | memoryview) -> int | None:
        """Parse data; return None, or the offset at which a request that offers an upgrade ended."""
        self._segment_bytes = len(data)
        self._framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            ended_at: int = offer.args[0]
            return ended_at
        return None

    def _check_size(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEAD_FIELDS:
            self._stop_parsing(_too_large())

    def _check_head(self) -> None:
        """Hold an unusual head to the rules, and bring it into its usual form."""
        fault = fault_of(self._method, self.url, self._version, self.headers)
        if fault is not None:
            self._stop_parsing(fault)
        absolute = split_absolute(self.url)
        if absolute is not None:  # its authority counts, not Host (RFC 9112, 3.2.2)
            authority, self.url = absolute
            self.headers[:] = [(b"host", authority), *(field for field in self.headers if field[0] != b"host")]
        self.expect_100_continue = expects_continue(self._version, self.headers)

    def _stop_parsing(self, fault: ServiceError) -> NoReturn:
        self._fault = fault
        raise _StopParsing

    def _ignore_upgrade(self) -> None:
        """Parse the head again without its Upgrade header."""
        if self._offer is None:
            return
        head, self._offer = head_without_offer(*self._offer), None
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(head)

    # -- refusing ------------------------------------------------------------------------------------------

    def _refuse_the_rest(self, fault: ServiceError) -> None:
        """Read no more, answer all earlier requests, then say what was wrong, and hang up.

        Where the fault lies in the last request's body, that request is answered with it.
        """
        cycle: RequestResponseCycle | None = self.cycle
        self._final_answer = b""
        if cycle is None or not cycle.more_body:
            self._final_answer = self._refusal(fault)
            if cycle is None or cycle.response_complete:
                self._send_final_answer()
        elif cycle.response_complete:
            self._send_final_answer()
        else:
            self._body_error = partial(type(fault), fault.detail, errors=fault.errors)
            cycle.message_event.set()

    def _check_body(self, cycle: RequestResponseCycle) -> None:
        """Raise the error of a request whose body broke on its way."""
        if self._body_error is not None and cycle is self.cycle:
            raise self._body_error()

    def _close_after_answer(self) -> None:
        """Make the answer that is being written the last one: what follows its request is discarded."""
        self.pipeline.clear()
        self._final_answer = b""

    def _refusal(self, fault: ServiceError) -> bytes:
        """Log a request that the application does not see; return the response."""
        method = path = "-"
        if fault is self._fault:  # the head was read
            method, path = self._method.decode(), self.url.partition(b"?")[0].decode("latin-1")
        request_id = request_id_of(given_id(self.headers or ()))
        self._access_log.record_refused(request_id, method, path, "unmatched", fault.status)
        _, headers, content = logged_problem(fault, request_id, path, None)
        headers += (b"x-request-id", request_id.encode()), (b"connection", b"close")
        return b"%b%b\r\n%b" % (self.opening(fault.status), b"".join(b"%b: %b\r\n" % each for each in headers), content)

    def _send_final_answer(self) -> None:
        """Write the last response, and close the connection in two steps (RFC 9112, 9.6).

        Where what the client still sends is not read, its kernel may throw away the response before it is read.
        """
        if self.transport.is_closing():
            return
        if self._final_answer:
            self.transport.write(self._final_answer)
        self._final_answer = b""
        self._idle_since = None
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(_LINGER_S, self._stop_lingering)
        else:
            self.transport.close()

    def _stop_lingering(self) -> None:
        if self.transport.get_write_buffer_size() and not self.transport.is_closing():
            self.loop.call_later(_LINGER_S, self._stop_lingering)  # it still takes its answer
        else:
            self.transport.abort()

    # -- timeouts ------------------------------------------------------------------------------------------

    def hang_up_if_idle(self, now: float) -> None:
        """Close the connection where it was idle, stalled, or in the middle of a head for longer than it may be.

        `now` is a time of time.monotonic. Called about once a second.
        """
        stalled_s = self._unsent.stalled_s(now)
        if stalled_s is not None:
            if stalled_s >= self._write_timeout_s:
                self.transport.abort()
        elif self._head_since is not None and self._final_answer is None:
            if not self._head_since:
                self._head_since = now
            elif now - self._head_since >= self._head_timeout_s:
                self._refuse_the_rest(HeadTimeout(f"the head was not whole within {self._head_timeout_s:g} s"))
        elif self._idle_since is not None and now - self._idle_since >= self.timeout_keep_alive:
            self.transport.close()

    def resume_writing(self) -> None:
        """Called when the client has read much of a response: restart the write timeout."""
        self._unsent.progressed()
        super().resume_writing()

    def pause_writing(self) -> None:
        """Called when the client does not take a response as fast as it is written: the rest stays in memory."""
        self._unsent.count()
        super().pause_writing()


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(
        f"the head, or what frames the body, is over the limit of {MAX_HEAD_BYTES} bytes or {MAX_HEAD_FIELDS} fields"
    )
