"""Output files that appear only when they are complete; until then an old file stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from latent.errors import CommandError
from model_store.durable import fsync_path


@contextmanager
def staged(target: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `target` at the end of the block; on any error it is removed.

    Raises CommandError where it cannot be written: no such directory, no permission, no space.
    """
    if target.exists() and not target.is_file():
        raise CommandError(f"{target} is no file")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with written(target):
            file = temporary.open("wb")
        try:
            yield file
            with written(target):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):  # of what a failed run has still in its buffer
                file.close()
        with written(target):
            temporary.rename(target)
            fsync_path(target.parent)
    except BaseException:  # a signal may come while the file is being opened
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def written(target: Path) -> Iterator[None]:
    """Raise CommandError that names `target` if the block cannot write."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{target} cannot be written ({(error.strerror or str(error)).lower()})") from error
