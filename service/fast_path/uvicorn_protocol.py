"""uvicorn's HTTP/1.1 protocol with a fast path for POST requests of a verb.

uvicorn starts a task when a request's head has arrived, and passes body and answer on as ASGI messages. A verb needs
its whole body, and answers in one piece. So the fast path waits for the whole request, starts one task for it, and
writes the answer directly. Unusual requests go to FastAPI's routes, as uvicorn sends them: other paths and methods, a
slow or large body, `Expect`, HTTP/1.0, a request behind one that is not answered yet.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.connections.guarded_protocol import GuardedProtocol
from service.errors import ServiceError
from service.fast_path.dispatch import Dispatch
from service.fast_path.known_heads import MAX_HEAD_BYTES, VerbHead
from service.limits import COUNTED_BYTES

_WHOLE_S = 0.05
"""How long the fast path waits for a whole body; then the request goes to FastAPI's routes."""
_WHOLE_BYTES = 1 << 20


class _WholeRequest(RequestResponseCycle):
    """A whole request, as `admission.turns` (Entry), `verbs.answering` (Source) and uvicorn (a cycle) each need it."""

    def __init__(self, protocol: FastPathProtocol, posted: VerbHead, body: bytes, held_bytes: int) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_started = self.response_complete = False
        self.message_event = asyncio.Event()
        self.more_body = False
        self.body: Any = body
        self.held_bytes, self.posted, self._protocol = held_bytes, posted, protocol
        self.timeout_s = posted.timeout_s or 0.0
        self.arrived_at = time.monotonic()
        """When the request arrived; its deadline counts from here, not from its turn."""
        self._is_received = False

    def begin(self) -> None:
        """Start to answer the request: its turn has come."""
        self._protocol.begin(self)

    def expire(self) -> None:
        """Refuse the request: its turn has come too late."""
        self._protocol.expire(self)

    async def receive(self) -> Message:  # type: ignore[override]
        """Return the body at the first call; later calls wait until the client hangs up."""
        if not self._is_received:
            self._is_received = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.message_event.wait()
        return {"type": "http.disconnect"}


class FastPathProtocol(GuardedProtocol):
    """A client's connection with the fast path: answers whole POST requests of a verb past uvicorn and FastAPI."""

    def __init__(self, *args: Any, dispatch: Dispatch, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._dispatch = dispatch
        self._posted: VerbHead | None = None
        self._data = self._head = b""
        """The data just read, where it begins a request; and the head of the last whole request."""
        self._pieces: list[bytes] | None = None
        """The pieces of a body that the fast path waits for; None while it waits for none."""
        self._size = 0
        self._late: asyncio.TimerHandle | None = None

    # -- reading requests ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Start a whole request with a known head at once; parse all other data."""
        if self._between and self._final_answer is None and self._is_answered():
            end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
            known = self._dispatch.known_heads.get(data[:end]) if end > 0 else None
            if known is not None and end + 4 + known.body_bytes == len(data):
                self._idle_since = None
                self._enter(known.posted, data[end + 4 :])
                return
            self._data = data
        super().data_received(data)
        self._data = b""
        if self._pieces is not None and self._late is None:
            self._late = self.loop.call_later(_WHOLE_S, self._leave_fast_path)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed: pass a request that is not whole on, so that it is logged."""
        if self._pieces is not None:
            self._leave_fast_path()  # the application logs the request
        super().connection_lost(exc)

    def head_received(self) -> None:
        """Keep a POST request of a verb until its body is whole; start any other request as uvicorn does."""
        self._posted = self._posted_head()
        if self._posted is None:
            super().head_received()
        else:
            self._pieces, self._size = [], 0

    def body_received(self, body: bytes) -> None:
        """Collect a piece of the body that the fast path waits for; pass any other piece to uvicorn."""
        if self._pieces is None:
            super().body_received(body)
            return
        self._pieces.append(body)
        self._size += len(body)
        if self._size > _WHOLE_BYTES:
            self._leave_fast_path()

    def request_received(self) -> None:
        """Start a request whose body is whole, on the fast path where that waited for the body."""
        if self._pieces is None or self._posted is None:
            super().request_received()
            return
        pieces, posted = self._pieces, self._posted
        self._forget()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._data:
            self._head = self._dispatch.known_heads.note(self._data, len(body), posted, self._head)
            self._data = b""
        self._enter(posted, body)

    def shutdown(self) -> None:
        """Called when the server stops: requests that have begun are answered, also one whose body is not whole."""
        if self._pieces is not None:
            self._leave_fast_path()
        super().shutdown()

    def _is_answered(self) -> bool:
        """Whether every request on this connection is answered, and the answers are sent."""
        return not self.pipeline and not self.flow.write_paused and getattr(self.cycle, "response_complete", True)

    def _posted_head(self) -> VerbHead | None:
        """The parsed head, if the request is a POST of a verb that the fast path takes; else None."""
        if (
            self._method != b"POST"
            or self._version != "1.1"
            or self.expect_100_continue
            or not self._is_answered()
            or not self.parser.should_keep_alive()
        ):
            return None
        path, _, query = self.url.partition(b"?")
        return self._dispatch.parse_head(path, query, self.headers)

    def _leave_fast_path(self) -> None:
        """Give the current request to uvicorn, with the pieces of its body so far."""
        pieces = self._pieces or []
        self._forget()
        super().head_received()
        for piece in pieces:
            super().body_received(piece)

    def _refuse_the_rest(self, fault: ServiceError) -> None:
        if self._pieces is not None:  # the application answers and logs the request whose body broke
            self._leave_fast_path()
        super()._refuse_the_rest(fault)

    def _forget(self) -> None:
        self._posted = self._pieces = None
        if self._late is not None:
            self._late.cancel()
            self._late = None

    # -- answering requests --------------------------------------------------------------------------------

    def _enter(self, posted: VerbHead, body: bytes) -> None:
        """Admit a whole request to the queue of turns, or shed it."""
        held_bytes = len(body) if len(body) >= COUNTED_BYTES else 0
        if self._dispatch.should_shed(posted) or (held_bytes and not self._in_flight.has_room(held_bytes)):
            self.write_refusal(self._dispatch.shed(posted), keep_alive=True)
            self.on_response_complete()
            return
        if held_bytes:
            self._in_flight.change(held_bytes)
        self.cycle = self._begun = request = _WholeRequest(self, posted, body, held_bytes)
        self._dispatch.services.admission.turns.enter(request)

    def begin(self, request: _WholeRequest) -> None:
        """Start to answer a request: its turn has come."""
        if request.disconnected:  # the client hung up while the request waited
            self._dispatch.record_disconnect(request.posted, request.arrived_at)
            self._release_body(request)
            return
        task = self.loop.create_task(self._answer(request))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def expire(self, request: _WholeRequest) -> None:
        """Refuse a request whose turn has come too late."""
        refusal = self._dispatch.shed(request.posted)
        if not request.disconnected:
            self.write_refusal(refusal, keep_alive=request.keep_alive)
        self._complete(request)

    async def _answer(self, request: _WholeRequest) -> None:
        try:
            answer = await self._dispatch.answer(request.posted, request, request.arrived_at)
        except BaseException:  # cancelled at shutdown, or a fault of the service: the client gets no answer
            self.transport.close()
            raise
        if answer is not None and not request.disconnected:
            self.write_answer(answer, keep_alive=request.keep_alive)
        self._complete(request)

    def _complete(self, request: _WholeRequest) -> None:
        request.response_complete = True
        self._release_body(request)
        request.message_event.set()
        self.on_response_complete()

    def _release_body(self, request: _WholeRequest) -> None:
        """Let go of a body: an idle connection keeps its last request."""
        if request.held_bytes:  # its turn has not come
            self._in_flight.change(-request.held_bytes)
            request.held_bytes = 0
        request.body = b""
