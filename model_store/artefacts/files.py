"""Reads files of a network whole, within a limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from model_store.errors import ArtefactUnreadable, FileMissing


def read_within(path: Path, name: str, most: int) -> bytes:
    """The bytes of a regular file, which messages call `name`. Raises FileMissing, or ArtefactUnreadable beyond `most`.

    The size is checked on the open file, and no more is read: a file may grow, and a pipe or a device has no end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ArtefactUnreadable(f"{name} is no regular file")
            data = file.read(most + 1)
    except OSError as error:
        raise FileMissing(f"{name} cannot be read ({error.strerror})") from error
    if len(data) > most:
        raise ArtefactUnreadable(f"{name} has more than {most} bytes, which is the most that is read")
    return data
