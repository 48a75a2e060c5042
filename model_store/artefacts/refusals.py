"""Holds operations to a list of allowed ones; the first that is not on it is refused by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from model_store.artefacts.reasons import reason_of
from model_store.errors import ForbiddenOperation

_PLAIN = re.compile(r"[\w./<>@:-]{1,96}", re.ASCII)
_SHOWN = 96
_ENDS = 3


def refuse(operation: str, node: str, path: Sequence[str], reason: str | None = None) -> ForbiddenOperation:
    """The error for an operation that is not allowed: its name, its node, and the way to it."""
    way = list(path) if len(path) <= 2 * _ENDS else [*path[:_ENDS], "…", *path[-_ENDS:]]
    told = " → ".join(part if part == "…" else shown(part) for part in way)
    detail = f"{told} reaches {shown(operation)}, which {reason or reason_of(operation)} (node {shown(node)})"
    return ForbiddenOperation(detail, operation=operation, node=node, path=told)


def shown(name: str) -> str:
    """A name out of a file as a message may show it: short, and of one line."""
    return name if _PLAIN.fullmatch(name) else repr(name[:_SHOWN])
