"""GIFs of a model through training, one frame a recorded epoch."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from training.figures.codes import scatter_codes
from training.figures.style import MODEL, Array, label

_FRAME_MS, _LAST_FRAME_MS = 250, 2500
_SHEET_PIXELS = 420
_CAPTION_PIXELS = 20
_COLOURS = 64
_DPI = 72
_WITHIN = (0.005, 0.995)


def animate_images(path: Path, titles: Sequence[str], sheets: Sequence[Array]) -> None:
    """Animate sheets of images (rows, columns, h, w, c) in [0, 1], each with its title."""
    frames = [_captioned(_sheet(images), title) for title, images in zip(titles, sheets, strict=True)]
    _write(path, frames)


def animate_codes(
    path: Path,
    titles: Sequence[str],
    codes: Sequence[Array],
    labels: Array | None,
    class_names: Sequence[str] | None,
    axes: tuple[str, str],
) -> None:
    """Animate codes (n, 1 or 2) on axes that fit most of the last frame; one dimension is a histogram."""
    low, high = np.quantile(codes[-1], _WITHIN, axis=0)
    margin = 0.15 * (high - low) + 1e-3
    low, high = low - margin, high + margin

    def drawn(points: Array, title: str) -> Callable[[Axes], None]:
        def draw(axis: Axes) -> None:
            if points.shape[1] == 1:
                axis.hist(points[:, 0], np.linspace(low[0], high[0], 60).tolist(), color=MODEL)
                label(axis, axes[0], "items", title)
            else:
                scatter_codes(axis, points, labels, class_names)
                axis.set_ylim(float(low[1]), float(high[1]))
                label(axis, *axes, title)
            axis.set_xlim(float(low[0]), float(high[0]))

        return draw

    animate(path, [drawn(points, title) for points, title in zip(codes, titles, strict=True)])


def animate(path: Path, frames: Sequence[Callable[[Axes], None]]) -> None:
    """Write a GIF of what each of `frames` draws."""
    pictures = []
    for draw in frames:
        figure = Figure((6.4, 5))
        figure.subplots_adjust(left=0.12, bottom=0.11, right=0.72, top=0.92)  # a layout per frame would jump
        draw(figure.subplots())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI)
        pictures.append(Image.open(buffer).convert("RGB"))
    _write(path, pictures)


def _write(path: Path, pictures: Sequence[Image.Image]) -> None:
    # One palette for all, out of three of them: frames that each choose their own would flicker.
    chosen = [pictures[0], pictures[len(pictures) // 2], pictures[-1]]
    sample = Image.new("RGB", (sum(picture.width for picture in chosen), chosen[0].height))
    for i, picture in enumerate(chosen):
        sample.paste(picture, (i * picture.width, 0))
    palette = sample.quantize(_COLOURS)
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [_FRAME_MS] * len(others) + [_LAST_FRAME_MS]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


def _sheet(images: Array) -> Image.Image:
    rows, columns, height, width, channels = images.shape
    sheet = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    pixels = np.round(255 * np.clip(sheet, 0.0, 1.0)).astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels).convert("RGB")
    scale = _SHEET_PIXELS / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)


def _captioned(picture: Image.Image, text: str) -> Image.Image:
    captioned = Image.new("RGB", (picture.width, picture.height + _CAPTION_PIXELS), "white")
    captioned.paste(picture, (0, _CAPTION_PIXELS))
    ImageDraw.Draw(captioned).text((6, 4), text, fill="black")
    return captioned
