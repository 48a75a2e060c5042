"""Errors of the limits. Knows no HTTP."""

from __future__ import annotations


class LimitReached(Exception):
    """A resource is used up for now; nothing was begun. `str(error)` is one sentence for people."""


class PoolFull(LimitReached):
    """As many calls wait for the threads of a pool as may."""


class MemoryFull(LimitReached):
    """The requests in flight hold as many bytes as they may together."""
