"""A cache of parsed request heads: a head that clients send again and again is parsed only once.

A client whose bodies all have one size sends the same head, byte for byte, with every request. Parsing a head costs as
much as parsing the numbers of an image. So a parsed head is kept once the HTTP parser has read the same head twice in a
row on one connection. A head that differs by one byte is parsed again, with every limit and every check (RFC 9112). A
head with a request id of its own is not sent twice, so it is not kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from service.verbs.verb import Verb
from service.wire.head import Head

MAX_HEAD_BYTES = 4096
"""A longer head is not looked up."""
_MAX_HEADS = 512


class VerbHead(NamedTuple):
    """The parsed head of a POST request of a verb, without its connection and its body."""

    verb: Verb[Any]
    path: str
    """The path that the client sent."""
    route: str
    """The path without the prefix that a proxy adds."""
    head: Head
    request_id: bytes | None
    """The value of X-Request-ID, not checked yet."""
    timeout_s: float | None
    """How long the request may take; None where X-Request-Timeout is no positive number."""


class KnownHead(NamedTuple):
    """A head that clients sent more than once, and the size of the body after it."""

    posted: VerbHead
    body_bytes: int


class KnownHeads(dict[bytes, KnownHead]):
    """Parsed heads by their bytes, without the empty line at the end. A full cache drops its oldest head."""

    def __init__(self, most: int = _MAX_HEADS) -> None:
        super().__init__()
        self._most = most

    def note(self, data: bytes, body_bytes: int, posted: VerbHead, before: bytes) -> bytes:
        """Return the head of `data`, which the parser has read as one whole request with a body of `body_bytes`.

        The head is kept where it equals the head `before` it. Empty where `data` is not exactly one request.
        """
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        # With chunks or several requests the sizes do not add up.
        if end < 0 or not data.startswith(b"POST ") or end + 4 + body_bytes != len(data):
            return b""
        head = data[:end]
        if not head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n"):
            return b""  # a parser that is less strict about line ends might end the head earlier
        if head == before and head not in self:
            if len(self) >= self._most:
                del self[next(iter(self))]
            self[head] = KnownHead(posted, body_bytes)
        return head
