"""Requests that can be refused unread.

What a refusal costs is taken from the answers, so under more load than can be borne it has to cost little, and parsing
is half of it. A posted request is read here no further than to where it ends, and only where its head leaves no doubt
about that (RFC 9112, 6.3); anything unusual is left to the parser, and refused after it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_MOST_HEAD_BYTES = 4096
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,10})[ \t]*\r\n")
_TIMEOUT = re.compile(rb"\r\nx-request-timeout:[ \t]*([^\r\n]*)")
_ID = re.compile(rb"\r\nx-request-id:[ \t]*([^\r\n]*)", re.IGNORECASE)
_UNUSUAL = (b"\r\nconnection", b"\r\nexpect", b"\r\ntransfer-encoding", b"\r\nupgrade", b"\r\n ", b"\r\n\t", b"\0")


class Unread(NamedTuple):
    """What a refusal needs to know of a request."""

    path: bytes
    has_query: bool
    request_id: bytes | None
    timeout_s: bytes | None
    length: int
    """Of the body, bytes."""


def unread(data: bytes) -> Unread | None:
    """The head of bytes that are exactly one posted request, body and all; None where there is any doubt."""
    end = data.find(b"\r\n\r\n", 0, _MOST_HEAD_BYTES)
    if end < 0 or not data.startswith(b"POST /"):
        return None
    head = _read(data[: end + 2])
    return head if head is not None and end + 4 + head.length == len(data) else None


@lru_cache(maxsize=64)
def _read(given: bytes) -> Unread | None:
    """A head; clients send the same one again and again."""
    head = given.lower()
    target, _, version = given[5 : given.find(b"\r\n")].partition(b" ")
    length, lines = _LENGTH.search(head), head.count(b"\r\n")
    if (
        version != b"HTTP/1.1"
        or length is None
        or head.count(b"content-length") != 1
        or head.count(b"\n") != lines
        or head.count(b"\r") != lines
    ):
        return None
    for sign in _UNUSUAL:
        if sign in head:
            return None
    timeout = _TIMEOUT.search(head) if b"x-request-timeout" in head else None
    request_id = _ID.search(given) if b"x-request-id" in head else None
    path, _, query = target.partition(b"?")
    return Unread(
        path,
        bool(query),
        request_id and request_id[1].strip(),
        timeout and timeout[1].strip(),
        int(length[1]),
    )
