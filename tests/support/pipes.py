"""Pipes that nobody reads."""

from __future__ import annotations

import os
from contextlib import suppress


def fill(writer: int) -> None:
    """Fill a pipe, so that the next write to it blocks."""
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
