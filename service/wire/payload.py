"""What a body holds once it is read, before any model has looked at it; and the table of types that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

Source = Literal["json", "npy", "files", "none"]


@dataclass(slots=True)
class Payload:
    """Arrays and pictures of a request, and the options that came with them in a JSON body."""

    source: Source
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    """`inputs` and `z`, as sent; `npy` for an npy body, which does not say which of the two it is."""
    images: Sequence[bytes] | None = None
    """PNG, JPEG or WebP bytes."""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def images_loc(self) -> str:
        """What an error calls the pictures."""
        return "images" if self.source == "json" else "files"
