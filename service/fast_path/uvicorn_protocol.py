"""HTTP as uvicorn reads it, with a short way for posted verbs.

uvicorn starts a task when a request's head is there, and hands its body and its answer over in messages. A verb needs
its whole body and answers with one piece, so a request whose body follows its head at once is begun when both are
there, and its answer is written as it is. Whatever is unusual about a request (another path or method, a
slow body, `Expect`, HTTP/1.0, one behind another that is not answered yet) goes uvicorn's own way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.types import Message, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.at_once import AtOnce
from service.connections.guarded_protocol import GuardedProtocol
from service.errors import ServiceError
from service.fast_path.dispatch import Answered, Entrance
from service.fast_path.known_heads import Asked

_WHOLE_S = 0.05
"""How long a body may take to be whole before uvicorn waits for it, with all its limits."""
_WHOLE_BYTES = 1 << 20
_ONE_WRITE_BYTES = 1 << 14


class _HangUp:
    """Stands where uvicorn sets an event: when the connection is lost, and when an answer is complete."""

    __slots__ = ("_call", "_gone", "_waiting")

    def __init__(self) -> None:
        self._gone = False
        self._waiting: asyncio.Future[None] | None = None
        self._call: Callable[[], None] | None = None

    def call(self, listener: Callable[[], None]) -> None:
        """Tell `listener` too, unless it is over."""
        if not self._gone:
            self._call = listener

    def set(self) -> None:
        self._gone = True
        call, self._call = self._call, None
        if call is not None:
            call()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def answered(self) -> None:
        """There is nobody to be told any more."""
        self._call = None
        self.set()

    async def wait(self) -> None:
        if not self._gone:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting


class _Direct(RequestResponseCycle):
    """A request that is whole: what uvicorn asks of a cycle, and what a verb receives."""

    def __init__(self, body: bytes) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_started = self.response_complete = False
        self.message_event: Any = _HangUp()
        self.more_body = False
        self.body_at_hand = body
        self._is_received = False
        self.came = time.monotonic()
        """It may wait for its turn, but its time runs."""

    async def receive(self) -> Message:  # type: ignore[override]
        """The body, then whether the client hangs up."""
        if not self._is_received:
            self._is_received = True
            body, self.body_at_hand = self.body_at_hand, b""
            return {"type": "http.request", "body": body, "more_body": False}
        await self.message_event.wait()
        return {"type": "http.disconnect"}


class DirectProtocol(GuardedProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._entrance = self.app if isinstance(self.app, Entrance) else None
        self._between = True
        """No request has begun to come and is not there yet."""
        self._asked: Asked | None = None
        self._data = self._head = b""
        """What has just been read, where a request begins with it; the head that it was last found to begin with."""
        self._pieces: list[bytes] | None = None
        """Of a body that may yet become whole at once."""
        self._size = 0
        self._late: asyncio.TimerHandle | None = None

    # -- uvicorn's callbacks -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        entrance = self._entrance
        if entrance is not None and self._parting is None and self._is_free():
            known = entrance.heads.find(data)
            if known is not None:
                self._idle_since = None
                asked, body_at = known
                self._begin(entrance, asked, data, body_at)
                return
            if entrance.refusing and self._refuse_unread(entrance, data):
                return
            self._data = data
        super().data_received(data)
        self._data = b""
        if self._pieces is not None and self._late is None:
            self._late = self.loop.call_later(_WHOLE_S, self._go_uvicorns_way)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client hung up."""
        if self._pieces is not None:
            self._go_uvicorns_way()  # which notes it down
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._between = False
        super().on_message_begin()

    def head_came(self) -> None:
        """The head is there."""
        self._asked = self._directly()
        if self._asked is None:
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
            self._go_uvicorns_way()

    def request_came(self) -> None:
        """The request is whole."""
        self._between = True
        if self._entrance is None or self._pieces is None or self._asked is None:
            super().request_came()
            return
        pieces, asked = self._pieces, self._asked
        self._forget()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._data:
            self._head = self._entrance.heads.note(self._data, len(body), asked, self._head)
            self._data = b""
        self._begin(self._entrance, asked, body, 0)

    def shutdown(self) -> None:
        """The server is about to stop: what has begun is answered, a body that is on its way too."""
        if self._pieces is not None:
            self._go_uvicorns_way()
        super().shutdown()

    # -- the short way -------------------------------------------------------------------------------------

    def _is_free(self) -> bool:
        """Whether what comes now is the beginning of a request, and none before it is unanswered."""
        return self._between and self._is_answered()

    def _is_answered(self) -> bool:
        """Whether everything that has been asked is answered, and the answers are out."""
        return not self.pipeline and not self.flow.write_paused and getattr(self.cycle, "response_complete", True)

    def _directly(self) -> Asked | None:
        """What the request asks for, if nothing about it is unusual."""
        if self._entrance is None or self.parser.get_method() != b"POST":
            return None
        path, _, query = self.url.partition(b"?")
        posted = self._entrance.direct.get(path)
        if (
            posted is None
            or b"#" in query
            or self.expect_100_continue
            or not self._is_answered()
            or self.parser.get_http_version() != "1.1"
            or self.parser.should_upgrade()
            or not self.parser.should_keep_alive()
        ):
            return None
        return self._entrance.asked(posted, path.decode("ascii"), query, self.headers)

    def _refuse_unread(self, entrance: Entrance, data: bytes) -> bool:
        """Refuse a request that comes too late and is all that these bytes are."""
        refusal = entrance.refuse_unread(data)
        if refusal is None:
            return False
        self._refuse(refusal)
        return True

    def _refuse(self, refusal: bytes) -> None:
        self.transport.write(_opening(503, self.server_state.default_headers) + refusal)
        self.on_response_complete()

    def _go_uvicorns_way(self) -> None:
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
        self._asked = self._pieces = None
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _begin(self, entrance: Entrance, asked: Asked, data: bytes, body_at: int) -> None:
        """Begin what is whole, or refuse it; its body begins in `data` there, and is copied if it is wanted."""
        refusal = entrance.refusal(asked)
        if refusal is None:
            self.cycle = self._begun = cycle = _Direct(data[body_at:])
            if entrance.begins_now():
                self._start(entrance, asked, cycle)
            else:
                entrance.waits(asked, partial(self._start, entrance, asked, cycle), partial(self._done, cycle))
        elif isinstance(refusal, Answered):
            self._send(refusal)
            self.on_response_complete()
        else:
            self._refuse(refusal)

    def _start(self, entrance: Entrance, asked: Asked, cycle: _Direct) -> None:
        if cycle.disconnected:  # while it waited for its turn
            entrance.gone(asked, cycle.came)
            return
        begun = entrance.begin_at_once(asked, self.client, cycle.body_at_hand, cycle.came, partial(self._done, cycle))
        if isinstance(begun, AtOnce):
            cycle.message_event.call(begun.hang_up)
        elif begun is not None:
            self._write(cycle, begun)
        else:
            task = self.loop.create_task(self._answer(entrance, asked, cycle))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def _scope(self, asked: Asked) -> Scope:
        """As ASGI has it."""
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": asked.headers,
            "state": self.app_state.copy(),
            "method": "POST",
            "path": asked.path,
            "raw_path": asked.path.encode("ascii"),
            "query_string": asked.query,
        }

    def _done(self, cycle: _Direct, answered: Answered | None) -> None:
        if answered is not None and not cycle.disconnected:
            self._write(cycle, answered)

    async def _answer(self, entrance: Entrance, asked: Asked, cycle: _Direct) -> None:
        try:
            answered = await entrance.answer(asked.posted, self._scope(asked), cycle.receive, cycle.came)
        except asyncio.CancelledError:  # the server does not wait any longer
            self.transport.close()
            raise
        self._done(cycle, answered)

    def _write(self, cycle: _Direct, answered: Answered) -> None:
        self._send(answered, keep_alive=cycle.keep_alive)
        cycle.response_complete = True
        cycle.body_at_hand = b""  # a connection keeps its last cycle while it is idle
        cycle.message_event.answered()
        self.on_response_complete()

    def _send(self, answered: Answered, *, keep_alive: bool = True) -> None:
        """Write an answer, and hang up where it says so, or the server is about to stop."""
        lines = [_opening(answered.status, self.server_state.default_headers)]
        for name, value in answered.headers:
            lines += (name, b": ", value, b"\r\n")
            if name == b"connection" and value.lower() == b"close":
                keep_alive = False
        lines.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
        if len(answered.content) <= _ONE_WRITE_BYTES:
            lines.append(answered.content)
            self.transport.write(b"".join(lines))
        else:
            self.transport.write(b"".join(lines))
            self.transport.write(answered.content)
        if not keep_alive:
            self.transport.close()


_openings: dict[int, tuple[list[tuple[bytes, bytes]], bytes]] = {}
"""By status: the server's own headers, and what an answer with them begins with."""


def _opening(status: int, own: list[tuple[bytes, bytes]]) -> bytes:
    """The status line and the server's own headers, which uvicorn makes anew once a second."""
    kept = _openings.get(status)
    if kept is None or kept[0] is not own:
        lines = [b"%b: %b\r\n" % header for header in own]
        kept = _openings[status] = own, b"".join((STATUS_LINE[status], *lines))
    return kept[1]
