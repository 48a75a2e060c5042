"""What a connection writes."""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case; without those that the server adds to every answer."""
    content: bytes
