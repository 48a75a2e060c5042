"""The error of a failed measurement."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement is not possible; `str(error)` is one line with the reason."""
