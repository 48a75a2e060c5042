"""Shared helpers of the figures: colours, labels and files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[Any]

DPI = 120
DATA, MODEL = "#9aa5b1", "#c2410c"
TRUTH, LINEAR = "#15803d", "#2563eb"


def column_grid(count: int, title: str, most: int = 16) -> tuple[Figure, list[Axes]]:
    """Make one panel a column, up to a limit."""
    shown = min(count, most)
    columns = math.ceil(math.sqrt(shown))
    rows = math.ceil(shown / columns)
    figure = Figure((2.6 * columns, 2.4 * rows + 0.4), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(shown)]
    figure.suptitle(title if shown == count else f"{title} (first {shown} of {count} columns)")
    return figure, axes


def short(name: str, most: int = 22) -> str:
    """Shorten a name so that it fits an axis."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def show(axis: Axes, image: Array) -> None:
    """Draw one image (h, w, c) without ticks."""
    picture = np.clip(image[..., 0] if image.shape[-1] == 1 else image, 0.0, 1.0)
    axis.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])


def label(axis: Axes, x: str, y: str, title: str) -> None:
    """Set the names of the axes and the title."""
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.set_title(title)


def save(figure: Figure, path: Path) -> None:
    """Save the figure as a file."""
    figure.savefig(path, dpi=DPI)
