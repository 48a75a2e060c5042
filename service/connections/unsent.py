"""How long a client has taken nothing of what was sent to it."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios

from service.limits import InFlightBytes


class UnsentBytes:
    """Watches the bytes that a client has not taken yet. Look at them about once a second."""

    def __init__(self, transport: asyncio.Transport, in_flight: InFlightBytes) -> None:
        """`in_flight` counts what the process holds of answers."""
        self._transport, self._in_flight = transport, in_flight
        self._count, self._stalled_since = 0, 0.0
        self._held = 0
        """Bytes in the transport's buffer, as counted in `in_flight`."""

    def stalled_s(self, now: float) -> float | None:
        """Seconds since the client last took something; None where nothing waits for it. `now` is time.monotonic."""
        if self._held:
            self.count()
        before, self._count = self._count, self._untaken()
        if not before or self._count < before:
            self._stalled_since = now
        return now - self._stalled_since if self._count else None

    def progressed(self) -> None:
        """Record that the client has taken much: the time begins again."""
        self._count = 0
        self.count()

    def count(self) -> None:
        """Count what is in the transport's buffer now."""
        self._hold(self._transport.get_write_buffer_size())

    def forget(self) -> None:
        """Count nothing any more: the connection is closed."""
        self._hold(0)

    def _hold(self, nbytes: int) -> None:
        self._in_flight.change(nbytes - self._held)
        self._held = nbytes

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
