"""Plots of codes, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.figures.style import DATA, MODEL, Array, label, save

_LISTED_CLASSES = 20
_BINS = 50


def plot_codes(
    path: Path, coordinates: Array, labels: Array | None, class_names: Sequence[str] | None, axes: tuple[str, str]
) -> None:
    """Plot codes (n, 1 or 2), coloured by class if there are classes; one dimension is a histogram."""
    figure = Figure((7, 5.5), layout="constrained")
    axis = figure.subplots()
    if coordinates.shape[1] == 1:
        histogram_codes(axis, coordinates[:, 0], labels, class_names)
    else:
        scatter_codes(axis, coordinates, labels, class_names)
    label(axis, *axes, "Codes of the test items")
    save(figure, path)


def scatter_codes(axis: Axes, points: Array, labels: Array | None, class_names: Sequence[str] | None) -> None:
    """Scatter points (n, 2), coloured by class if there are classes, with a legend beside the axes."""
    if labels is None:
        axis.scatter(points[:, 0], points[:, 1], s=8, alpha=0.6, color=MODEL)
    else:
        _scatter_classes(axis, points, labels, class_names or [str(i) for i in range(int(labels.max()) + 1)])


def histogram_codes(axis: Axes, values: Array, labels: Array | None, class_names: Sequence[str] | None) -> None:
    """Draw a histogram of codes (n,), with stacked classes if there are few."""
    bins = np.histogram_bin_edges(values, bins=min(_BINS, 5 + len(values) // 5)).tolist()
    present = [] if labels is None else np.unique(labels).tolist()
    if labels is None or len(present) > _LISTED_CLASSES:
        axis.hist(values, bins, color=MODEL)
        return
    palette = colormaps["tab10" if len(present) <= 10 else "tab20"]
    names = class_names or [str(number) for number in range(max(present) + 1)]
    axis.hist(
        [values[labels == number] for number in present],
        bins,
        stacked=True,
        color=[palette(i) for i in range(len(present))],
        label=[names[number] for number in present],
    )
    axis.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5))


def _scatter_classes(axis: Axes, points: Array, labels: Array, class_names: Sequence[str]) -> None:
    present = np.unique(labels)
    if len(present) > _LISTED_CLASSES:
        drawn = axis.scatter(points[:, 0], points[:, 1], c=labels, s=8, alpha=0.7, cmap="viridis")
        figure = axis.get_figure()
        if figure is not None:
            figure.colorbar(drawn, ax=axis, label="class number")
        return
    palette = colormaps["tab10" if len(present) <= 10 else "tab20"]
    for i, number in enumerate(present):
        axis.scatter(
            points[labels == number, 0],
            points[labels == number, 1],
            s=8,
            alpha=0.7,
            color=palette(i),
            label=class_names[number],
        )
    axis.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)


def plot_along_curve(path: Path, order: Array, codes: Array, rho: float) -> None:
    """Plot 1-d codes (n,) over the items' positions (n,) along their curve."""
    figure = Figure((6, 4.5), layout="constrained")
    axis = figure.subplots()
    axis.scatter(order, codes, s=8, alpha=0.7, color=MODEL)
    label(axis, "position along the curve", "z[0]", f"Codes along the curve, training items (|ρ| {rho:.3f})")
    save(figure, path)


def plot_joint(
    path: Path, codes: Array, labels: Array | None, class_names: Sequence[str] | None, names: tuple[str, str]
) -> None:
    """Plot the joint distribution of two code dimensions (n, 2), with their marginals above and beside it."""
    figure = Figure((7.2, 6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(4, 1), height_ratios=(1, 4))
    joint = figure.add_subplot(grid[1, 0])
    above, beside = figure.add_subplot(grid[0, 0], sharex=joint), figure.add_subplot(grid[1, 1], sharey=joint)
    few = labels is not None and len(np.unique(labels)) <= _LISTED_CLASSES
    scatter_codes(joint, codes, labels if few else None, class_names)
    legend = joint.get_legend()
    if legend is not None:
        legend.remove()
        figure.legend(*joint.get_legend_handles_labels(), title="class", loc="outside right center", markerscale=2)
    above.hist(codes[:, 0], bins=_BINS, density=True, color=DATA)
    beside.hist(codes[:, 1], bins=_BINS, density=True, color=DATA, orientation="horizontal")
    above.tick_params(labelbottom=False)
    beside.tick_params(labelleft=False)
    above.set_ylabel("density")
    beside.set_xlabel("density")
    rho = float(np.corrcoef(codes.T)[0, 1]) if min(codes.std(axis=0)) > 0 else 0.0
    label(joint, *names, "")
    figure.suptitle(f"Two code dimensions of the test items (correlation {rho:+.2f})")
    save(figure, path)
