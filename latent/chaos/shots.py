"""What is sent, how it is sent, and what may come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

ALWAYS_ALLOWED = frozenset({503, 504})
"""A service that is loaded may refuse any request, and may be late with any answer."""


class Manner(Enum):
    """How a client sends a request and takes its answer."""

    PLAIN = "plain"
    SLOW_WRITE = "slow writer"
    SLOW_READ = "slow reader"
    CUT = "cut"
    """Hangs up in the middle of the request."""
    ABANDONED = "abandoned"
    """Sends all of the request and hangs up soon after."""
    UNREAD = "unread"
    """Sends all of the request, reads nothing of the answer for seconds, and hangs up."""

    @property
    def takes_answer(self) -> bool:
        """Whether such a client reads the answer to its end."""
        return self in (Manner.PLAIN, Manner.SLOW_WRITE, Manner.SLOW_READ)


@dataclass(frozen=True)
class Answer:
    """A complete answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Check = Callable[[Answer], str | None]
"""What is wrong with a 200, in a few words; None where it is right."""


@dataclass(frozen=True)
class Shot:
    """One request, with the answers that are right for it."""

    kind: str
    """Row of the report's table."""
    path: str
    """Path and query, without the prefix of the service's address."""
    expected: frozenset[int]
    """Statuses that are right, besides ALWAYS_ALLOWED."""
    method: str = "POST"
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    manner: Manner = Manner.PLAIN
    check: Check | None = field(default=None, repr=False)
    refused_early: bool = False
    """Whether the service may answer, or hang up, before it has read the whole body."""

    def to_bytes(self, host: str, prefix: str, request_id: str) -> bytes:
        """The request as it goes over the wire."""
        lines = {"Host": host, "X-Request-ID": request_id, **self.headers}
        if self.method == "POST":
            lines["Content-Length"] = str(len(self.body))
        head = [f"{self.method} {prefix}{self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
        return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + self.body
