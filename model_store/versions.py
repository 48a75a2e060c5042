"""Names of models and versions: parse, check, order. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from model_store.errors import BadName
from model_store.manifest import NAME_PATTERN

_NAME = re.compile(NAME_PATTERN)
_VERSION = re.compile(r"[1-9][0-9]{0,9}")

LATEST = "latest"
PRODUCTION = "production"


@dataclass(frozen=True)
class Reference:
    """`NAME`, `NAME@3` or `NAME@production`, as a person writes it."""

    name: str
    selector: int | str | None = None

    def __str__(self) -> str:
        return self.name if self.selector is None else f"{self.name}@{self.selector}"


def check_name(name: str) -> str:
    """Return `name` if it can name a model; raise BadName with the rule otherwise."""
    if not _NAME.fullmatch(name):  # `$` alone would let a final newline pass
        raise BadName(
            f"{name!r} is no model name: 1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or a digit"
        )
    return name


def check_alias(alias: str) -> str:
    """Return `alias` if it can name a version; raise BadName otherwise. `latest` is implied, never set."""
    if not is_alias(alias):
        raise BadName(f"{alias!r} is no alias: named as a model, no number, and not {LATEST!r}, which is implied")
    return alias


def is_alias(text: str) -> bool:
    """Tell whether a text is a valid alias."""
    return text != LATEST and not text.isdigit() and _NAME.fullmatch(text) is not None


def parse_version(text: str) -> int | None:
    """Read a version number from a directory's name: 1, 2, 3 … without leading zeros; else None."""
    return int(text) if _VERSION.fullmatch(text) else None


def parse_reference(text: str) -> Reference:
    """Read `NAME`, `NAME@VERSION` or `NAME@ALIAS`. Raises BadName."""
    name, at, selector = text.partition("@")
    check_name(name)
    if not at:
        return Reference(name)
    number = parse_version(selector)
    if number is not None:
        return Reference(name, number)
    if selector != LATEST and not is_alias(selector):
        raise BadName(
            f"{text!r} names no version: '@' is followed by 1, 2, 3 …, an alias such as production, or latest"
        )
    return Reference(name, selector)


def near(name: str, known: Iterable[str]) -> list[str]:
    """Find up to three known names that are similar to a misspelt one."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
