"""Renders images (n, h, w, c) in uint8 as contact sheets (PNG) and animations (GIF, WebP)."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model_store.arrays import UInt8
from service.limits import Check, go_on

_LARGE = 1 << 22


@dataclass(frozen=True)
class Sheet:
    """The content of a contact sheet: images (k, h, w, c), and the number of columns."""

    images: UInt8
    columns: int


def near_square(n: int) -> int:
    """The number of columns that makes a sheet of n images nearly square."""
    return math.ceil(math.sqrt(n))


def sheet(images: UInt8, columns: int) -> UInt8:
    """Lay images (n, h, w, c) out row by row, empty cells black: (rows · h, columns · w, c)."""
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = images
    grid = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(rows * height, columns * width, channels))


def png(image: UInt8, scale: int = 1) -> bytes:
    """Encode one image (h, w, c) as PNG, every pixel repeated `scale` times in both directions."""
    buffer = io.BytesIO()
    # Large pictures have few colours, or large pixels: a higher compression level would save little.
    _pillow(image, scale).save(buffer, format="PNG", compress_level=1 if image.size * scale**2 > _LARGE else 6)
    return buffer.getvalue()


def moving(frames: UInt8, media_type: str, fps: float, scale: int = 1, check: Check = go_on) -> bytes:
    """Encode frames (n, h, w, c) as an endless animated GIF or WebP. Equal neighbours become one longer frame.

    `check` is called before each frame, and may stop the encoding by an error.
    """

    def seek(frame: int) -> None:  # Pillow seeks in each image before it encodes it, and ends where there is no frame
        if frame != 0:
            raise EOFError
        check()

    def checked(frame: UInt8) -> Image.Image:
        picture = _pillow(frame, scale)
        picture.seek = seek  # type: ignore[method-assign]
        return picture

    buffer = io.BytesIO()
    first, *rest = map(checked, frames)
    milliseconds = max(20, round(1000.0 / fps))
    if media_type == "image/gif":
        centiseconds = max(2, round(100.0 / fps))  # a GIF's own unit
        first.save(buffer, "GIF", save_all=True, append_images=rest, duration=10 * centiseconds, loop=0)
    else:
        first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=milliseconds, loop=0, lossless=True)
    return buffer.getvalue()


def _pillow(image: UInt8, scale: int) -> Image.Image:
    """Convert and magnify an image with Pillow, which releases the interpreter's lock while it magnifies."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if scale == 1:
        return picture
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
