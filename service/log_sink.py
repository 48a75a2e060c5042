"""Standard error for a service: writing to it never blocks and never raises.

Whoever reads a log may stop reading (a stuck log driver) or go away (a dead `tee`), and a disk may be full. So text
goes through a bounded queue to a thread, which writes it. What cannot be written is lost, and counted. Everything that
prints to `sys.stderr` takes this way: structlog, logging, warnings, tracebacks of threads.

A regular file needs no thread: it takes what it is given at once, or says that it is full. So its lines are there when
the process is killed the moment after.

The thread makes ordinary blocking writes. The descriptor is not made non-blocking: other processes have the same open
file, and would get errors that they do not expect.
"""

from __future__ import annotations

import atexit
import errno
import faulthandler
import io
import os
import select
import stat
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

REASONS = ("slow", "closed", "full", "failed")
"""Why lines are lost: the queue was full, the reader is gone, the disk is full, another error."""
EXIT_S = 1.0
"""Seconds that the end of the process waits for text to be written."""

_PAUSE_S = 0.02
"""The thread rests so long when all is written. To wake it for each write of the access log costs the service 2 µs a
request; it waits then for the interpreter's lock, and the event loop for it."""
_MOST_WAITING = 4 * 2**20
"""Characters: some 18,000 access log lines, a few seconds of the fastest service."""
_REASON_OF = {
    **dict.fromkeys((errno.EPIPE, errno.EBADF, errno.EIO, errno.ECONNRESET, errno.ENOTCONN), "closed"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "full"),
}


class LogSink(io.TextIOBase):
    """A text stream over a file descriptor: whole lines in one call each, by a thread unless it is a regular file."""

    encoding = "utf-8"
    """Whatever the locale: the lines are JSON."""

    def __init__(self, descriptor: int) -> None:
        """The descriptor is duplicated, so that it may be closed or point elsewhere later."""
        self._descriptor = os.dup(descriptor)
        self._queue: SimpleQueue[str | threading.Event] = SimpleQueue()  # unlike Queue's, its `put` has no lock to
        # wait for: a signal handler may log while the same thread is logging. So the lock here is reentrant.
        self._lock = threading.RLock()
        self._waiting = 0
        self._unfinished = ""
        self._cut = False
        """Whether the last line was cut off by an error."""
        self.lost = dict.fromkeys(REASONS, 0)
        self._is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        if not self._is_file:
            threading.Thread(target=self._write_all, name="latent-log", daemon=True).start()

    def write(self, text: str) -> int:
        """Queue or write the text up to its last line end; the rest waits for more, or for `flush`."""
        with self._lock:
            lines, end, self._unfinished = (self._unfinished + text).rpartition("\n")
            if end:
                self._put(lines + end)
        return len(text)

    def flush(self) -> None:
        """Queue or write what waits for the end of its line."""
        with self._lock:
            if self._unfinished:
                text, self._unfinished = self._unfinished, ""
                self._put(text)

    def wait_until_written(self, seconds: float) -> bool:
        """Wait until everything so far is written or lost, but no longer than this; return whether it is."""
        self.flush()
        if self._is_file:
            return True
        written = threading.Event()
        self._queue.put(written)
        return written.wait(seconds)

    def fileno(self) -> int:
        """The descriptor, for who asks whether it is a terminal."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Always."""
        return True

    def _put(self, text: str) -> None:
        if self._is_file:
            self._write_or_lose(text)
        elif self._waiting + len(text) > _MOST_WAITING:
            self._lose("slow", text.count("\n"))
        else:
            self._waiting += len(text)
            self._queue.put(text)

    def _lose(self, reason: str, lines: int) -> None:
        with self._lock:
            self.lost[reason] += lines

    def _write_all(self) -> None:
        while True:
            if self._queue.empty():
                time.sleep(_PAUSE_S)
            text = self._queue.get()
            if isinstance(text, threading.Event):
                text.set()
                continue
            self._write_or_lose(text)
            with self._lock:
                self._waiting -= len(text)

    def _write_or_lose(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        try:
            self._write(b"\n" + data if self._cut else data)
        except OSError as error:
            self._lose(_REASON_OF.get(error.errno or 0, "failed"), text.count("\n") or 1)
        else:
            self._cut = False

    def _write(self, data: bytes) -> None:
        while data:
            try:
                written = os.write(self._descriptor, data)
            except BlockingIOError:  # another process has made the open file non-blocking
                room = select.poll()
                room.register(self._descriptor, select.POLLOUT)
                room.poll()
                continue
            data = data[written:]
            self._cut = bool(data)


class LineLogger:
    """What structlog writes to: a line with one call, without a lock that a signal handler could wait for for ever."""

    def __init__(self, *_: object) -> None:
        """Takes a logger's name, for structlog passes it."""

    def msg(self, message: str) -> None:
        """Write a line to whatever `sys.stderr` is now."""
        sys.stderr.write(f"{message}\n")

    debug = info = warning = error = critical = exception = msg


def install() -> None:
    """Make `sys.stderr` a LogSink, once in a process. At the end of the process it is given a second to write."""
    if isinstance(sys.stderr, LogSink):
        return
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # it was closed when the process began
        descriptor = os.open(os.devnull, os.O_WRONLY)
    sink = LogSink(descriptor)
    sys.stderr = sink
    atexit.register(sink.wait_until_written, EXIT_S)
    if faulthandler.is_enabled():
        _keep_faults_from_blocking(sink)


def finish() -> None:
    """Give the sink a second to write, before the process ends without Python's own end."""
    if isinstance(sys.stderr, LogSink):
        sys.stderr.wait_until_written(EXIT_S)


def lost_lines() -> dict[str, int]:
    """How many lines this process has lost, by reason."""
    return dict(sys.stderr.lost) if isinstance(sys.stderr, LogSink) else dict.fromkeys(REASONS, 0)


def _keep_faults_from_blocking(sink: LogSink) -> None:
    """Let faulthandler, which writes to a descriptor itself, write to a pipe through an open file of its own.

    That one can be non-blocking. Where the pipe belongs to another user it stays as it was.
    """
    if stat.S_ISFIFO(os.fstat(sink.fileno()).st_mode):
        with suppress(OSError):
            faulthandler.enable(os.open(f"/proc/self/fd/{sink.fileno()}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
