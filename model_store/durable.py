"""Durable writes: after a crash or a power cut a file has its old bytes or its new ones."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from model_store.errors import StoreNotWritable
from model_store.files import shown, words
from model_store.litter import is_litter


def fsync_path(path: Path) -> None:
    """Flush a file, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes, temporary: Path | None = None) -> None:
    """Replace `path` by `data` in one step: a reader sees the old bytes or the new, never a part.

    `temporary` is where the data stand until then, on the same file system; beside `path` without it.
    """
    if temporary is None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        fsync_path(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def fsync_tree(root: Path) -> None:
    """Flush every file and directory below `root`, and `root` itself; not what operating systems leave behind."""
    for directory, directories, files in os.walk(root):
        directories[:] = [name for name in directories if not is_litter(name)]
        for name in files:
            if not is_litter(name):
                fsync_path(Path(directory, name))
        fsync_path(Path(directory))


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory's exclusive lock in a `with` block; the lock also ends with the process.

    Raises FileNotFoundError where there is no such directory, StoreNotWritable where it cannot be locked.
    """
    try:
        descriptor = hold(directory)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreNotWritable(f"{shown(directory)} cannot be locked ({words(error)})") from error
    try:
        yield
    finally:
        os.close(descriptor)


def hold(directory: Path) -> int:
    """Take a directory's exclusive lock and return its descriptor; closing that releases the lock."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(directory: Path) -> bool:
    """Tell whether a running process holds the directory's lock."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
