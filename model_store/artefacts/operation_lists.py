"""Lists of operations, written as texts with blanks between the names."""

from __future__ import annotations


def listed(*groups: str) -> frozenset[str]:
    """The names in all groups."""
    return frozenset(" ".join(groups).split())
