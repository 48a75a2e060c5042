"""How large the parts of a version may be. All of them are far above what any trainer here writes.

Without limits a manifest of a few bytes can make a reader allocate, or wait, without end.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, StringConstraints

MANIFEST_BYTES = 16 << 20
"""Of manifest.json."""
DIGEST_BYTES = 4096
"""Of manifest.sha256."""
SIGNATURES = 64
"""Signatures in manifest.sig."""
SIGNATURES_BYTES = SIGNATURES * 128
"""Of manifest.sig."""
ALIASES_BYTES = 1 << 20
"""Of aliases.json."""
HISTORY_BYTES = 64 << 20
"""Of history.json: some 500,000 promotions."""

ITEM_NUMBERS = 1 << 24
"""Numbers in one item: a grey picture of 4096 × 4096, 64 MB as float32."""
LATENT_DIM = 1 << 14
"""Numbers in a code."""
CLASSES = 1 << 15
"""Classes of labels."""
FILES = 10_000
"""Files in a version."""
FILE_BYTES = 1 << 36
"""Of one file of a version: 64 GiB."""
PATH_CHARACTERS = 1024
"""Of a file's path in a version."""
NAME_CHARACTERS = 1024
"""Of the name of a class, a column, a metric, a library, an engine or a data set."""
TEXT_CHARACTERS = 20_000
"""Of any other text."""
ENTRIES = 100_000
"""Of quantiles, metrics and libraries; of all values of a recipe together."""
DEPTH = 32
"""How deep a recipe's objects and lists may stand in each other."""
INTEGER = 1 << 63
"""Integers are less than this, and at least its negative: programs in other languages read them too."""

NameText = Annotated[str, StringConstraints(max_length=NAME_CHARACTERS)]
LongText = Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS)]
Integer = Annotated[int, Field(ge=-INTEGER, lt=INTEGER)]


def check_document(document: object) -> None:
    """Hold a JSON document of any shape to the limits. Raises ValueError that names the limit.

    Its numbers must be finite, its integers fit 64 bits, its texts and its whole not be too large.
    """
    left = [(document, 1)]
    values = 0
    while left:
        value, depth = left.pop()
        values += 1
        if values > ENTRIES:
            raise ValueError(f"holds more than {ENTRIES} values")
        if isinstance(value, dict | list | tuple):
            if depth > DEPTH:
                raise ValueError(f"stands more than {DEPTH} levels deep")
            left += [(part, depth + 1) for part in _parts(value)]
        elif isinstance(value, str):
            if len(value) > TEXT_CHARACTERS:
                raise ValueError(f"holds a text of {len(value)} characters; at most {TEXT_CHARACTERS} are allowed")
        elif isinstance(value, int) and not -INTEGER <= value < INTEGER:
            raise ValueError("holds an integer that does not fit 64 bits")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("holds a number that is not finite")


def _parts(value: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> list[Any]:
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)
