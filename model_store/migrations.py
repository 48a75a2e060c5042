"""Migrations of older manifest documents, each from one schema version to the next.

`MIGRATIONS[n]` takes a document of schema n and returns it as schema n + 1. Schema 1 is the first, so there is
none yet; every step that is added here gets a test with a document of the old schema beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]

MIGRATIONS: Mapping[int, Callable[[Document], Document]] = {}
