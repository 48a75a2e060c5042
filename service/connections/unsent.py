"""How long a client has taken nothing of what was sent to it."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios


class UnsentBytes:
    """Watches the bytes that a client has not taken yet. Look at them about once a second."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._count, self._stalled_since = 0, 0.0

    def stalled_s(self, now: float) -> float | None:
        """Seconds since the client last took something; None where nothing waits for it. `now` is time.monotonic."""
        before, self._count = self._count, self._untaken()
        if not before or self._count < before:
            self._stalled_since = now
        return now - self._stalled_since if self._count else None

    def progressed(self) -> None:
        """Record that the client has taken much: the time begins again."""
        self._count = 0

    def _untaken(self) -> int:
        """Bytes that the client has not read yet; 0 where the kernel's send buffer holds all of them."""
        buffered = self._transport.get_write_buffer_size()
        if not buffered:
            return 0
        # The kernel asks for more only when a third of its buffer of megabytes is free: a slow client needs minutes.
        try:
            queued = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return buffered
        return buffered + int.from_bytes(queued, sys.byteorder)
