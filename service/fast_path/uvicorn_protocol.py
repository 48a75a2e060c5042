"""HTTP as uvicorn reads it, with a fast path for posted verbs.

uvicorn starts a task when a request's head is there, and hands body and answer over in messages. A verb needs its whole
body and answers with one piece. So a posted verb whose body follows its head at once is begun when both are there, and
its answer is written as it is. Whatever is unusual about a request goes uvicorn's own way, to FastAPI's routes: another
path or method, a slow or large body, `Expect`, HTTP/1.0, a request behind one that is not answered yet.
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
from service.fast_path.known_heads import MAX_HEAD_BYTES, PostedHead
from service.observability.access_log import RequestRecord

_WHOLE_S = 0.05
"""How long a body may take to be whole before uvicorn waits for it."""
_WHOLE_BYTES = 1 << 20


class _WholeRequest(RequestResponseCycle):
    """A posted verb that is whole: an entry of `admission.turns`, a source of `verbs.answering`, a cycle of uvicorn."""

    def __init__(self, protocol: FastPathProtocol, posted: PostedHead, body: bytes) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_started = self.response_complete = False
        self.message_event = asyncio.Event()
        self.more_body = False
        self.body: Any = body
        self.posted, self._protocol = posted, protocol
        self.timeout_s = posted.timeout_s or 0.0
        self.came = time.monotonic()
        """It may wait for its turn, but its time runs."""
        self._is_received = False

    def begin(self) -> None:
        """It is its turn."""
        self._protocol.begin(self)

    def expire(self) -> None:
        """Its turn has come too late."""
        self._protocol.expire(self)

    async def receive(self) -> Message:  # type: ignore[override]
        """The body, then whether the client hangs up."""
        if not self._is_received:
            self._is_received = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.message_event.wait()
        return {"type": "http.disconnect"}


class FastPathProtocol(GuardedProtocol):
    """One connection."""

    def __init__(self, *args: Any, dispatch: Dispatch, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._dispatch = dispatch
        self._between = True
        """No request has begun to come and is not there yet."""
        self._posted: PostedHead | None = None
        self._data = self._head = b""
        """What has just been read, where a request begins with it; the head that it was last found to begin with."""
        self._pieces: list[bytes] | None = None
        """Of a body that may yet become whole at once."""
        self._size = 0
        self._late: asyncio.TimerHandle | None = None

    # -- what is read --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Begin what is one whole request with a known head; parse everything else."""
        if self._between and self._parting is None and self._is_answered():
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
        """The client hung up."""
        if self._pieces is not None:
            self._leave_fast_path()  # the application notes it down
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._between = False
        super().on_message_begin()

    def head_came(self) -> None:
        """Wait for the body of a posted verb; begin anything else as uvicorn does."""
        self._posted = self._posted_head()
        if self._posted is None:
            super().head_came()
        else:
            self._pieces, self._size = [], 0

    def body_came(self, body: bytes) -> None:
        """A piece of the body."""
        if self._pieces is None:
            super().body_came(body)
            return
        self._pieces.append(body)
        self._size += len(body)
        if self._size > _WHOLE_BYTES:
            self._leave_fast_path()

    def request_came(self) -> None:
        """The request is whole."""
        self._between = True
        if self._pieces is None or self._posted is None:
            super().request_came()
            return
        pieces, posted = self._pieces, self._posted
        self._forget()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._data:
            self._head = self._dispatch.known_heads.note(self._data, len(body), posted, self._head)
            self._data = b""
        self._enter(posted, body)

    def shutdown(self) -> None:
        """The server is about to stop: what has begun is answered, a body that is on its way too."""
        if self._pieces is not None:
            self._leave_fast_path()
        super().shutdown()

    def _is_answered(self) -> bool:
        """Whether everything that has been asked is answered, and the answers are out."""
        return not self.pipeline and not self.flow.write_paused and getattr(self.cycle, "response_complete", True)

    def _posted_head(self) -> PostedHead | None:
        """What the request asks for, if it is a posted verb with nothing unusual about it."""
        parser = self.parser
        if parser.get_method() != b"POST":
            return None
        path, _, query = self.url.partition(b"?")
        if (
            b"#" in query
            or self.expect_100_continue
            or not self._is_answered()
            or parser.get_http_version() != "1.1"
            or not parser.should_keep_alive()
        ):
            return None
        return self._dispatch.posted(path, query, self.headers)

    def _leave_fast_path(self) -> None:
        """Begin as uvicorn does, with what has come of the body."""
        pieces = self._pieces or []
        self._forget()
        super().head_came()
        for piece in pieces:
            super().body_came(piece)

    def _refuse_the_rest(self, error: ServiceError | None) -> None:
        self._forget()
        super()._refuse_the_rest(error)

    def _forget(self) -> None:
        self._posted = self._pieces = None
        if self._late is not None:
            self._late.cancel()
            self._late = None

    # -- what is answered ----------------------------------------------------------------------------------

    def _enter(self, posted: PostedHead, body: bytes) -> None:
        """Let a request in that is whole, or refuse it."""
        refusal = self._dispatch.refusal(posted)
        if refusal is not None:
            self.write_refusal(refusal, keep_alive=True)
            self.on_response_complete()
            return
        self.cycle = self._begun = request = _WholeRequest(self, posted, body)
        self._dispatch.services.admission.turns.enter(request)

    def begin(self, request: _WholeRequest) -> None:
        """Answer a request: it is its turn."""
        if request.disconnected:  # while it waited
            self._dispatch.gone(request.posted, RequestRecord(request.posted.request_id, request.came))
            return
        task = self.loop.create_task(self._answer(request))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def expire(self, request: _WholeRequest) -> None:
        """Refuse a request whose turn has come too late."""
        refusal = self._dispatch.shed(request.posted, request.timeout_s)
        if not request.disconnected:
            self.write_refusal(refusal, keep_alive=request.keep_alive)
        self._complete(request)

    async def _answer(self, request: _WholeRequest) -> None:
        try:
            answer = await self._dispatch.answer(request.posted, request, request.came)
        except BaseException:  # the server does not wait any longer, or it is a fault of ours: no client waits for it
            self.transport.close()
            raise
        if answer is not None and not request.disconnected:
            self.write_answer(answer, keep_alive=request.keep_alive)
        self._complete(request)

    def _complete(self, request: _WholeRequest) -> None:
        request.response_complete = True
        request.body = b""  # a connection keeps its last request while it is idle
        request.message_event.set()
        self.on_response_complete()
