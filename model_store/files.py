"""Reads files of a directory that may hold anything: at most so many bytes, and never a pipe, a device or a socket.

A reader must not hang on a pipe, nor fill the memory with a file of 10 GB. What is refused raises an OSError whose
`strerror` says why, so that one sentence tells this as it tells a missing permission.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 1 << 20

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotRegular(OSError):
    """A pipe, a socket or a device stands in the place of a file."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(errno.EINVAL, f"it is {kind}, no regular file", str(path))
        self.kind = kind


class TooLarge(OSError):
    """A file has more bytes than are read of it."""

    def __init__(self, path: Path, max_bytes: int, size: int) -> None:
        has = f"it has {size} bytes" if size > max_bytes else "it goes on"
        super().__init__(errno.EFBIG, f"{has}; at most {max_bytes} are read", str(path))


def words(error: OSError) -> str:
    """What an OSError says, in the system's own words: `Permission denied`."""
    return error.strerror or str(error) or type(error).__name__


def shown(path: Path | str) -> str:
    """A path as text that can be printed and sent: names on a disk are bytes, and may hold any but `/` and NUL."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read it in bytes.

    Raises NotRegular for a pipe, a socket or a device, IsADirectoryError, or any other OSError of the system.
    """
    _require_regular(path, path.stat())  # a device is not opened at all: opening may do something to it
    try:
        # Without O_NONBLOCK the open waits for ever where a pipe has taken the file's place in between.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except BlockingIOError:
        # Somebody holds a lease on the file (a file server does); an open that may wait gets it. Pipes never say this.
        descriptor = os.open(path, os.O_RDONLY)
    try:
        _require_regular(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of at most `max_bytes`. Raises TooLarge, or what `open_regular` raises."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise TooLarge(path, max_bytes, size)
        data = bytearray()
        while chunk := file.read(min(_CHUNK_BYTES, max_bytes + 1 - len(data))):
            data += chunk
            if len(data) > max_bytes:  # it grows while it is read
                raise TooLarge(path, max_bytes, size)
        return bytes(data)


def _require_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise NotRegular(path, kind_of(status.st_mode))


def kind_of(mode: int) -> str:
    """What a file that is not regular is, from its mode: `a pipe`."""
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "of an unknown kind")
