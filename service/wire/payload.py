"""The content of a parsed body, before it is checked against a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

Source = Literal["json", "npy", "files", "none"]


@dataclass(slots=True)
class Payload:
    """The arrays and pictures of a request, and the options of a JSON body."""

    source: Source
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Arrays by field: `inputs` and `z` of a JSON body; `npy` of an npy body, which names no field."""
    images: Sequence[bytes] | None = None
    """PNG, JPEG or WebP bytes."""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def images_loc(self) -> str:
        """The name of the pictures' field in error messages."""
        return "images" if self.source == "json" else "files"
