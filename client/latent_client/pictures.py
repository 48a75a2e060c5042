"""Picture answers: any call, answered with a PNG, GIF or WebP file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from latent_client import answers
from latent_client.calls import Call

T = TypeVar("T")

PictureFormat: TypeAlias = Literal["png", "gif", "webp"]
"""png: one image or a contact sheet. gif, webp: a moving picture (interpolate alone)."""


@dataclass(frozen=True, slots=True)
class PictureStyle:
    """How to draw: format, magnification 1…16 (nearest neighbour), frames a second of a moving picture."""

    image_format: PictureFormat
    scale: int | None
    fps: float | None

    def apply(self, call: Call[T]) -> Call[bytes]:
        """Return a call that answers with one picture of what `call` would answer, always in one request."""
        options = {**call.options, "scale": self.scale, "fps": self.fps}
        accept = f"image/{self.image_format}"
        return Call(call.method, call.path, answers.content, call.body, options, call.model, accept)
