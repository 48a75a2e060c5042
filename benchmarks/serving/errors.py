"""What stops a measurement."""

from __future__ import annotations


class BenchError(Exception):
    """A figure cannot be had; `str(error)` is one line that says why."""
