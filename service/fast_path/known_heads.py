"""Heads that come again are parsed once.

A client sends the same head again and again: all of it, where its bodies are of one size. Parsing it costs as much as
the numbers of an image do. So a head is kept, with what it asks for, once the HTTP parser has read it twice in a row on
a connection. Whoever sends the same bytes asks for the same. What differs by a byte is parsed, with every limit and
every doubt (RFC 9112). Heads with ids of their own do not come twice, so they are not kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from service.verbs.verb import Verb
from service.wire.head import Head

MAX_HEAD_BYTES = 4096
"""A longer head is not looked for."""
_MAX_HEADS = 512


class PostedHead(NamedTuple):
    """The head of a posted verb: nothing of its connection or its body."""

    verb: Verb[Any]
    path: str
    """As it was asked for."""
    route: str
    """The same without the prefix that a proxy serves it under."""
    head: Head
    request_id: bytes | None
    """X-Request-ID as it came."""
    timeout_s: float | None
    """How long the request may take; None where its header makes no sense."""


class KnownHead(NamedTuple):
    """A head that has come more than once."""

    posted: PostedHead
    body_bytes: int


class KnownHeads(dict[bytes, KnownHead]):
    """By their bytes, without the empty line that ends them. The oldest goes where there are too many."""

    def __init__(self, most: int = _MAX_HEADS) -> None:
        super().__init__()
        self._most = most

    def note(self, data: bytes, body_bytes: int, posted: PostedHead, before: bytes) -> bytes:
        """The head of bytes that the parser has found to be one whole request with a body of this size.

        It is kept where it is the one that came `before`. Empty where the bytes are anything else.
        """
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        # With chunks or several requests the sizes do not add up.
        if end < 0 or not data.startswith(b"POST ") or end + 4 + body_bytes != len(data):
            return b""
        head = data[:end]
        if not head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n"):
            return b""  # to a parser that is less strict about line ends, the head might have ended before
        if head == before and head not in self:
            if len(self) >= self._most:
                del self[next(iter(self))]
            self[head] = KnownHead(posted, body_bytes)
        return head
