"""Figures from arrays; no model in sight. Each is written as PNG; images are (n, h, w, c) in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[Any]

_DPI = 120
_DATA, _MODEL = "#9aa5b1", "#c2410c"
_LISTED_CLASSES = 20


def plot_history(path: Path, rows: Sequence[Mapping[str, float]], kept_epoch: int) -> None:
    """Loss, and its terms, over the epochs."""
    epochs = [row["epoch"] for row in rows]
    has_kl = any(row["kl"] for row in rows)
    figure = Figure((10 if has_kl else 5.5, 4), layout="constrained")
    axes = figure.subplots(1, 2 if has_kl else 1, squeeze=False)[0]
    _curves(axes[0], epochs, rows, {"loss": "training", "val_loss": "validation"}, "Loss", "nats per item")
    axes[0].axvline(kept_epoch, color=_DATA, linestyle=":", label=f"weights kept (epoch {kept_epoch})")
    axes[0].legend()
    if has_kl:
        names = {"val_nll": "nll, validation", "val_kl": "kl, validation"}
        _curves(axes[1], epochs, rows, names, "Its terms: loss = nll + beta · kl", "nats per item")
    _save(figure, path)


def plot_reconstructions(path: Path, x: Array, outputs: Array) -> None:
    """Images over their reconstructions: both (n, h, w, c)."""
    n = len(x)
    figure = Figure((0.8 * n + 0.6, 2.2), layout="constrained")
    axes = figure.subplots(2, n, squeeze=False)
    for row, (name, images) in enumerate((("original", x), ("decoded", outputs))):
        for axis, image in zip(axes[row], images, strict=True):
            _show(axis, image)
        axes[row][0].set_ylabel(name)
    figure.suptitle("Test images over their reconstructions")
    _save(figure, path)


def plot_vector_reconstructions(path: Path, x: Array, outputs: Array, columns: Sequence[str]) -> None:
    """Rows (n, f) and their reconstructions: points in the plane, or each column's values against each other."""
    if x.shape[1] == 2:
        figure = Figure((5.5, 5), layout="constrained")
        axis = figure.subplots()
        axis.add_collection(LineCollection(list(np.stack([x, outputs], axis=1)), colors="#d5dae0", linewidths=0.7))
        axis.scatter(x[:, 0], x[:, 1], s=10, color=_DATA, label="test items")
        axis.scatter(outputs[:, 0], outputs[:, 1], s=10, color=_MODEL, label="reconstructions")
        _label(axis, columns[0], columns[1], "Test items and their reconstructions")
        axis.legend()
    else:
        figure, axes = _column_grid(x.shape[1], "Reconstructed against original values, test items")
        for i, axis in enumerate(axes):
            low, high = float(x[:, i].min()), float(x[:, i].max())
            axis.plot([low, high], [low, high], color=_DATA, linewidth=1)
            axis.scatter(x[:, i], outputs[:, i], s=6, color=_MODEL, alpha=0.6)
            _label(axis, "original", "reconstructed", _short(columns[i]))
    _save(figure, path)


def plot_codes(
    path: Path, coordinates: Array, labels: Array | None, class_names: Sequence[str] | None, axes: tuple[str, str]
) -> None:
    """Codes in the plane (n, 2), coloured by class where there are any; an axis without a name has no scale."""
    figure = Figure((7, 5.5), layout="constrained")
    axis = figure.subplots()
    if labels is None:
        axis.scatter(coordinates[:, 0], coordinates[:, 1], s=8, alpha=0.6, color=_MODEL)
    else:
        _scatter_classes(axis, coordinates, labels, class_names or [str(i) for i in range(int(labels.max()) + 1)])
    if not axes[1]:
        axis.set_yticks([])
    _label(axis, *axes, "Codes of the test items")
    _save(figure, path)


def plot_image_manifold(path: Path, images: Array, title: str, axes: tuple[str, str | None]) -> None:
    """Decoded images (rows, columns, h, w, c) on a grid of codes, the second axis upwards; one row is a strip."""
    rows, columns, height, width = images.shape[:4]
    sheet = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, -1)
    size = 7.0
    figure = Figure((size, max(1.4, size * rows * height / (columns * width) + 0.6)), layout="constrained")
    axis = figure.subplots()
    _show(axis, sheet)
    axis.set_xlabel(axes[0])
    if axes[1] is not None:
        axis.set_ylabel(axes[1])
    axis.set_title(title)
    _save(figure, path)


def plot_plane_manifold(path: Path, data: Array, curves: Sequence[Array], columns: Sequence[str]) -> None:
    """Decoded lines, each (m, 2), over the data (n, 2)."""
    figure = Figure((6, 5), layout="constrained")
    axis = figure.subplots()
    axis.scatter(data[:, 0], data[:, 1], s=6, color=_DATA, alpha=0.6, label="training data")
    for i, curve in enumerate(curves):
        axis.plot(curve[:, 0], curve[:, 1], color=_MODEL, linewidth=1.5, label="decoded codes" if i == 0 else None)
    _label(axis, columns[0], columns[1], "Where the decoder puts its codes")
    axis.legend()
    _save(figure, path)


def plot_profile_manifold(path: Path, codes: Array, profiles: Array, columns: Sequence[str], dimension: int) -> None:
    """Decoded rows (m, f), standardised, as one dimension of the code runs over `codes` (m,)."""
    figure = Figure((max(6.0, 0.35 * len(columns) + 3), 4.5), layout="constrained")
    axis = figure.subplots()
    colours = colormaps["viridis"](np.linspace(0, 0.95, len(codes)))
    for code, profile, colour in zip(codes, profiles, colours, strict=True):
        axis.plot(range(len(columns)), profile, marker="o", markersize=3, color=colour, label=f"{code:+.2f}")
    crowded = len(columns) > 40
    axis.set_xticks(
        [] if crowded else range(len(columns)),
        [] if crowded else [_short(name) for name in columns],
        rotation=60,
        ha="right",
    )
    _label(axis, "column", "decoded value (standardised)", f"Decoded rows as z[{dimension}] runs, the others held")
    axis.legend(title=f"z[{dimension}]", loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def plot_image_samples(path: Path, images: Array, title: str) -> None:
    """Decoded samples (n, h, w, c) in a near-square sheet."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    padded = np.concatenate([images, np.zeros((rows * columns - len(images), *images.shape[1:]), images.dtype)])
    plot_image_manifold(path, padded.reshape(rows, columns, *images.shape[1:]), title, ("", None))


def plot_vector_samples(path: Path, data: Array, samples: Array, columns: Sequence[str]) -> None:
    """Samples (m, f) beside the data (n, f): in the plane, or a histogram a column."""
    if data.shape[1] == 2:
        figure = Figure((6, 5), layout="constrained")
        axis = figure.subplots()
        axis.scatter(data[:, 0], data[:, 1], s=6, color=_DATA, alpha=0.6, label="training data")
        axis.scatter(samples[:, 0], samples[:, 1], s=6, color=_MODEL, alpha=0.6, label="samples")
        _label(axis, columns[0], columns[1], "Samples beside the data")
        axis.legend()
    else:
        figure, axes = _column_grid(data.shape[1], "Samples beside the data")
        for i, axis in enumerate(axes):
            bins = np.histogram_bin_edges(np.concatenate([data[:, i], samples[:, i]]), bins=30).tolist()
            axis.hist(data[:, i], bins, density=True, color=_DATA, label="data")
            axis.hist(samples[:, i], bins, density=True, histtype="step", color=_MODEL, label="samples")
            _label(axis, _short(columns[i]), "density", "")
        axes[0].legend()
    _save(figure, path)


def _curves(
    axis: Axes,
    epochs: Sequence[float],
    rows: Sequence[Mapping[str, float]],
    names: Mapping[str, str],
    title: str,
    unit: str,
) -> None:
    for (key, name), colour in zip(names.items(), (_DATA, _MODEL), strict=False):
        axis.plot(epochs, [row[key] for row in rows], color=colour, label=name)
    values = np.array([[row[key] for key in names] for row in rows])
    later = values[len(values) // 20 :]
    margin = 0.05 * float(np.ptp(later)) or 1.0
    # The first epochs would flatten all that follows.
    axis.set_ylim(float(later.min()) - margin, float(later.max()) + margin)
    _label(axis, "epoch", unit, title)
    axis.legend()


def _scatter_classes(axis: Axes, points: Array, labels: Array, class_names: Sequence[str]) -> None:
    present = np.unique(labels)
    if len(present) > _LISTED_CLASSES:
        drawn = axis.scatter(points[:, 0], points[:, 1], c=labels, s=8, alpha=0.7, cmap="viridis")
        figure = axis.get_figure()
        if figure is not None:
            figure.colorbar(drawn, ax=axis, label="class number")
        return
    palette = colormaps["tab10" if len(present) <= 10 else "tab20"]
    for i, label in enumerate(present):
        axis.scatter(
            points[labels == label, 0],
            points[labels == label, 1],
            s=8,
            alpha=0.7,
            color=palette(i),
            label=class_names[label],
        )
    axis.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)


def _column_grid(count: int, title: str, most: int = 16) -> tuple[Figure, list[Axes]]:
    shown = min(count, most)
    columns = math.ceil(math.sqrt(shown))
    rows = math.ceil(shown / columns)
    figure = Figure((2.6 * columns, 2.4 * rows + 0.4), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(shown)]
    figure.suptitle(title if shown == count else f"{title} (first {shown} of {count} columns)")
    return figure, axes


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _show(axis: Axes, image: Array) -> None:
    picture = np.clip(image[..., 0] if image.shape[-1] == 1 else image, 0.0, 1.0)
    axis.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])


def _label(axis: Axes, x: str, y: str, title: str) -> None:
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.set_title(title)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=_DPI)
