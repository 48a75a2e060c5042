"""What posted requests ask for, as their heads say. Heads that come again are read once.

A client sends the same head again and again: all of it, where its bodies are of one size. Taking it apart costs as much
as the numbers of an image do. So a head that the HTTP parser has read, and then once more with no other of its kind in
between on that connection, is kept with what it means, and whoever sends the same bytes again means the same. Whatever
differs by a byte is read for itself, with every limit and every doubt (RFC 9112). Heads with ids of their own do not
come twice, so they are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from service.errors import ServiceError
from service.observability.request_record import given_id
from service.verbs.answering import Verb
from service.wire.head import Head

Headers = Sequence[tuple[bytes, bytes]]

_MOST_HEADS = 512
_MOST_HEAD_BYTES = 4096


class Posted(NamedTuple):
    """What a path is posted to for."""

    route: str
    verb: Verb[Any]


class Asked:
    """The head of a posted request: nothing of its connection or its body."""

    __slots__ = ("head", "headers", "path", "posted", "query", "request_id", "timeout_s", "wrong")

    def __init__(
        self, posted: Posted, path: str, query: bytes, headers: Headers, timeout_s: float, wrong: ServiceError | None
    ) -> None:
        """`timeout_s` is how long the request may take; `wrong` says why its head cannot be heeded, if it cannot."""
        self.posted, self.path, self.query, self.headers = posted, path, query, headers
        said = {"headers": headers, "query_string": query}
        self.head = Head(said)
        self.request_id = given_id(said)
        self.timeout_s, self.wrong = timeout_s, wrong


class KnownHeads:
    """Heads that have come more than once, by their bytes."""

    def __init__(self, most: int = _MOST_HEADS) -> None:
        self._most = most
        self._known: dict[bytes, tuple[Asked, int]] = {}

    def find(self, data: bytes) -> tuple[Asked, int] | None:
        """What bytes ask for that are one whole request with a known head, and where its body begins; None for all
        others."""
        end = data.find(b"\r\n\r\n", 0, _MOST_HEAD_BYTES)
        known = self._known.get(data[:end]) if end > 0 else None
        if known is None or end + 4 + known[1] != len(data):
            return None
        return known[0], end + 4

    def note(self, data: bytes, body_bytes: int, asked: Asked, before: bytes) -> bytes:
        """The head of bytes that the parser has found to be one whole request with a body of this size, kept where it
        is the one that came `before`; nothing where they are anything else."""
        end = data.find(b"\r\n\r\n", 0, _MOST_HEAD_BYTES)
        # With chunks or several requests the sizes do not add up.
        if end < 0 or not data.startswith(b"POST ") or end + 4 + body_bytes != len(data):
            return b""
        head = data[:end]
        if not head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n"):
            return b""  # to a parser that is less strict about line ends, the head might have ended before
        if head == before and head not in self._known:
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[head] = asked, body_bytes
        return head
