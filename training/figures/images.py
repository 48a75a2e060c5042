"""Sheets of images, (n, h, w, c) in [0, 1], as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from training.figures.style import Array, save, short, show


def plot_image_rows(path: Path, rows: Sequence[tuple[str, Array]], title: str) -> None:
    """Plot named rows of images, each (n, h, w, c), one under the other."""
    n, height, width = rows[0][1].shape[:3]
    figure = Figure((0.8 * n + 0.8, 0.85 * len(rows) * height / width + 0.5), layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False)
    for axis, (name, images) in zip(axes[:, 0], rows, strict=True):
        show(axis, _strip(images))
        axis.set_frame_on(False)
        axis.set_ylabel(name)
    figure.suptitle(title)
    save(figure, path)


def plot_image_table(path: Path, first: Array, table: Array, columns: Sequence[str], title: str) -> None:
    """Plot one image a row (r, h, w, c) beside its n variants (r, n, h, w, c), under n names."""
    rows, n, height, width = table.shape[:4]
    strips = [_strip(np.concatenate([image[None], others])) for image, others in zip(first, table, strict=True)]
    gap = np.ones((max(1, height // 10), *strips[0].shape[1:]), strips[0].dtype)
    sheet = np.concatenate([part for strip in strips for part in (strip, gap)][:-1])
    figure = Figure((0.6 * (n + 1) + 0.4, 0.6 * rows * height / width + 0.7), layout="constrained")
    axis = figure.subplots()
    show(axis, sheet)
    axis.set_frame_on(False)
    step = width + max(1, width // 10)
    names = ["original", *(short(name, 10) for name in columns)]
    axis.set_xticks([step * i + width / 2 for i in range(n + 1)], names, fontsize=8)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    figure.suptitle(title)
    save(figure, path)


def plot_image_manifold(path: Path, images: Array, title: str, axes: tuple[str, str | None]) -> None:
    """Plot decoded images (rows, columns, h, w, c) of a grid of codes, second axis upwards; one row is a strip."""
    rows, columns, height, width = images.shape[:4]
    sheet = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, -1)
    size = 7.0
    figure = Figure((size, max(1.4, size * rows * height / (columns * width) + 0.6)), layout="constrained")
    axis = figure.subplots()
    show(axis, sheet)
    axis.set_xlabel(axes[0])
    if axes[1] is not None:
        axis.set_ylabel(axes[1])
    axis.set_title(title)
    save(figure, path)


def plot_image_samples(path: Path, images: Array, title: str) -> None:
    """Plot decoded samples (n, h, w, c) as a nearly square sheet."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    padded = np.concatenate([images, np.zeros((rows * columns - len(images), *images.shape[1:]), images.dtype)])
    plot_image_manifold(path, padded.reshape(rows, columns, *images.shape[1:]), title, ("", None))


def _strip(images: Array) -> Array:
    """Join images (n, h, w, c) in a row, with white gaps: (h, n · (w + gap) - gap, c)."""
    n, height, width, channels = images.shape
    gap = max(1, width // 10)
    padded = np.concatenate([images, np.ones((n, height, gap, channels), images.dtype)], axis=2)
    return np.asarray(padded.transpose(1, 0, 2, 3).reshape(height, -1, channels)[:, :-gap])
