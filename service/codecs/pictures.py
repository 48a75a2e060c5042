"""Pictures of answers: contact sheets and moving pictures from uint8 images (n, h, w, c)."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UInt8 = NDArray[np.uint8]


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


def magnify(image: UInt8, scale: int) -> UInt8:
    """Repeat every pixel `scale` times each way, nearest neighbour: (…, h, w, c)."""
    return image.repeat(scale, axis=-3).repeat(scale, axis=-2) if scale > 1 else image


def png(image: UInt8) -> bytes:
    """One image (h, w, c) as PNG."""
    buffer = io.BytesIO()
    _pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


def moving(frames: UInt8, media_type: str, fps: float) -> bytes:
    """Frames (n, h, w, c) as an animated GIF or WebP that plays for ever. Equal neighbours are shown as one, longer."""
    buffer = io.BytesIO()
    first, *rest = (_pillow(frame) for frame in frames)
    milliseconds = max(20, round(1000.0 / fps))
    if media_type == "image/gif":
        first.save(buffer, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)
    else:
        first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=milliseconds, loop=0, lossless=True)
    return buffer.getvalue()


def _pillow(image: UInt8) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
