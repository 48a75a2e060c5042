"""Sheets of images, (n, h, w, c) in [0, 1], as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from training.figures.style import Array, save, short, show


def plot_image_rows(path: Path, rows: Sequence[tuple[str, Array]], title: str) -> None:
    """Named rows of images, each (n, h, w, c), one under the other."""
    n = len(rows[0][1])
    figure = Figure((0.8 * n + 0.8, 0.85 * len(rows) + 0.5), layout="constrained")
    axes = figure.subplots(len(rows), n, squeeze=False)
    for row, (name, images) in zip(axes, rows, strict=True):
        for axis, image in zip(row, images, strict=True):
            show(axis, image)
        row[0].set_ylabel(name)
    figure.suptitle(title)
    save(figure, path)


def plot_image_table(path: Path, first: Array, table: Array, columns: Sequence[str], title: str) -> None:
    """One image a row (r, h, w, c) beside what was made of it (r, n, h, w, c), under n names."""
    rows, n = table.shape[:2]
    figure = Figure((0.8 * (n + 1) + 0.6, 0.85 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, n + 1, squeeze=False)
    for row, image, others in zip(axes, first, table, strict=True):
        for axis, picture in zip(row, [image, *others], strict=True):
            show(axis, picture)
    for axis, name in zip(axes[0], ["original", *columns], strict=True):
        axis.set_title(short(name, 10), fontsize=9)
    figure.suptitle(title)
    save(figure, path)


def plot_image_manifold(path: Path, images: Array, title: str, axes: tuple[str, str | None]) -> None:
    """Decoded images (rows, columns, h, w, c) on a grid of codes, the second axis upwards; one row is a strip."""
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
    """Decoded samples (n, h, w, c) in a near-square sheet."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    padded = np.concatenate([images, np.zeros((rows * columns - len(images), *images.shape[1:]), images.dtype)])
    plot_image_manifold(path, padded.reshape(rows, columns, *images.shape[1:]), title, ("", None))
