"""Counts the bytes that all requests of a process hold: bodies, decoded items, answers, and what is not sent yet.

A limit for each request says nothing of a thousand requests. So every request reserves what it is about to hold, and
is refused where all requests together would hold more than the limit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from service.limits.errors import MemoryFull

COUNTED_BYTES = 1 << 14
"""What is smaller is not counted: that would take longer than copying it."""


class Holder(Protocol):
    """A request, which counts the bytes that it holds."""

    held_bytes: int


class InFlightBytes:
    """The bytes that are held now, and their limit. Safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._lock = threading.Lock()

    def has_room(self, nbytes: int, held_by_caller: int = 0) -> bool:
        """Whether a request that holds `held_by_caller` bytes may hold `nbytes` more. One that is alone always may."""
        return self.held + nbytes <= self.limit or self.held <= held_by_caller

    def reserve(self, holder: Holder, nbytes: int) -> None:
        """Hold `nbytes` more for a request. Raises MemoryFull where there is no room."""
        self._hold(nbytes, holder.held_bytes)
        holder.held_bytes += nbytes

    @contextmanager
    def during(self, holder: Holder, nbytes: int) -> Iterator[None]:
        """Hold `nbytes` more in a block of code, in any thread; it may go on after the request has ended."""
        self._hold(nbytes, holder.held_bytes)
        try:
            yield
        finally:
            self.change(-nbytes)

    def change(self, nbytes: int) -> None:
        """Hold `nbytes` more, or fewer where negative, whatever the limit."""
        with self._lock:
            self.held += nbytes

    def _hold(self, nbytes: int, held_by_caller: int) -> None:
        with self._lock:
            if not self.has_room(nbytes, held_by_caller):
                raise MemoryFull(
                    f"requests in flight hold {self.held} bytes; {nbytes} more would be over the limit of {self.limit}"
                )
            self.held += nbytes
