"""Pictures of answers: contact sheets and moving pictures from uint8 images (n, h, w, c)."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model_store.arrays import UInt8

_LARGE = 1 << 22


@dataclass(frozen=True)
class Sheet:
    """A contact sheet: images (k, h, w, c), and how many stand in a row."""

    images: UInt8
    columns: int


def near_square(n: int) -> int:
    """Columns of a sheet of n images that is as good as square."""
    return math.ceil(math.sqrt(n))


def sheet(images: UInt8, columns: int) -> UInt8:
    """Lay images (n, h, w, c) out row by row, the rest black: (rows · h, columns · w, c)."""
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = images
    grid = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(rows * height, columns * width, channels))


def png(image: UInt8, scale: int = 1) -> bytes:
    """One image (h, w, c), every pixel repeated `scale` times each way, as PNG."""
    buffer = io.BytesIO()
    # Large pictures are made of few colours, or of large pixels: more effort would make them little smaller.
    _pillow(image, scale).save(buffer, format="PNG", compress_level=1 if image.size * scale**2 > _LARGE else 6)
    return buffer.getvalue()


def moving(frames: UInt8, media_type: str, fps: float, scale: int = 1) -> bytes:
    """Frames (n, h, w, c) as an animated GIF or WebP that plays for ever. Equal neighbours are shown as one, longer."""
    buffer = io.BytesIO()
    first, *rest = (_pillow(frame, scale) for frame in frames)
    milliseconds = max(20, round(1000.0 / fps))
    if media_type == "image/gif":
        centiseconds = max(2, round(100.0 / fps))  # a GIF's own unit
        first.save(buffer, "GIF", save_all=True, append_images=rest, duration=10 * centiseconds, loop=0)
    else:
        first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=milliseconds, loop=0, lossless=True)
    return buffer.getvalue()


def _pillow(image: UInt8, scale: int) -> Image.Image:
    """Pillow magnifies without the interpreter's lock, so that others are answered meanwhile."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if scale == 1:
        return picture
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
