"""The response that a connection writes."""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """A complete HTTP response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case; without the headers that the server adds to every response."""
    content: bytes
