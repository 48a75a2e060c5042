"""Plots of table rows (n, f), their reconstructions and samples, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from training.figures.style import DATA, LINEAR, MODEL, TRUTH, Array, column_grid, label, save, short

_FEW = 100


def plot_vector_reconstructions(path: Path, x: Array, outputs: Array, columns: Sequence[str]) -> None:
    """Plot rows (n, f) and their reconstructions: as points in the plane, or column by column against each other."""
    if x.shape[1] == 2:
        figure = Figure((5.5, 5), layout="constrained")
        axis = figure.subplots()
        axis.add_collection(LineCollection(list(np.stack([x, outputs], axis=1)), colors="#d5dae0", linewidths=0.7))
        axis.scatter(x[:, 0], x[:, 1], s=10, color=DATA, label="test items")
        axis.scatter(outputs[:, 0], outputs[:, 1], s=10, color=MODEL, label="reconstructions")
        label(axis, columns[0], columns[1], "Test items and their reconstructions")
        axis.legend()
    else:
        figure, axes = column_grid(x.shape[1], "Reconstructed against original values, test items")
        for i, axis in enumerate(axes):
            low, high = float(x[:, i].min()), float(x[:, i].max())
            axis.plot([low, high], [low, high], color=DATA, linewidth=1)
            axis.scatter(x[:, i], outputs[:, i], s=6, color=MODEL, alpha=0.6)
            label(axis, "original", "reconstructed", short(columns[i]))
    save(figure, path)


def plot_plane_manifold(
    path: Path,
    data: Array,
    curves: Sequence[Array],
    columns: Sequence[str],
    *,
    truth: Array | None = None,
    linear: Array | None = None,
) -> None:
    """Plot decoded lines, each (m, 2), over the data (n, 2), with the true curve and PCA's line if given."""
    figure = Figure((6.5, 5), layout="constrained")
    draw_plane_manifold(figure.subplots(), data, curves, columns, truth=truth, linear=linear)
    save(figure, path)


def draw_plane_manifold(
    axis: Axes,
    data: Array,
    curves: Sequence[Array],
    columns: Sequence[str],
    *,
    truth: Array | None = None,
    linear: Array | None = None,
) -> None:
    """Draw `plot_plane_manifold` into given axes; the data set the limits, as decoded lines may leave them far."""
    if truth is not None:
        axis.plot(truth[:, 0], truth[:, 1], color=TRUTH, linewidth=1.5, label="true curve")
    size = 6 if len(data) > _FEW else 25
    axis.scatter(data[:, 0], data[:, 1], s=size, color=DATA, alpha=0.8, label="training data", zorder=2)
    if linear is not None:
        axis.plot(linear[:, 0], linear[:, 1], color=LINEAR, linewidth=1.5, linestyle="--", label="PCA")
    for i, curve in enumerate(curves):
        width = 2.0 if len(curves) == 1 else 0.8
        axis.plot(
            curve[:, 0],
            curve[:, 1],
            color=MODEL,
            linewidth=width,
            marker=".",  # a model that has collapsed decodes every code to one point
            markersize=4 * width,
            markevery=max(1, len(curve) // 12),
            label="decoded codes" if i == 0 else None,
            zorder=3,
        )
    low, high = data.min(axis=0), data.max(axis=0)
    margin = 0.15 * (high - low) + 1e-6
    axis.set_xlim(float(low[0] - margin[0]), float(high[0] + margin[0]))
    axis.set_ylim(float(low[1] - margin[1]), float(high[1] + margin[1]))
    label(axis, columns[0], columns[1], "Where the decoder puts its codes")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def plot_encoder_plane(
    path: Path, plane: tuple[Array, Array], codes: Array, data: Array, columns: Sequence[str], names: Sequence[str]
) -> None:
    """Plot the encoder, one heat map a dimension: codes (rows, columns, d) over the plane's x and y, and the data."""
    count = codes.shape[2]
    figure = Figure((5.6 * count, 4.4), layout="constrained")
    for i, axis in enumerate(figure.subplots(1, count, squeeze=False)[0]):
        heat = axis.pcolormesh(*plane, codes[:, :, i], cmap="viridis", shading="auto", rasterized=True)
        axis.contour(*plane, codes[:, :, i], levels=12, colors="white", linewidths=0.5, alpha=0.6)
        axis.scatter(data[:, 0], data[:, 1], s=4, color="white", edgecolors="black", linewidths=0.3)
        figure.colorbar(heat, ax=axis, label=names[i])
        label(axis, columns[0], columns[1], f"The encoder over the plane: {names[i]}")
    save(figure, path)


def plot_profile_manifold(path: Path, codes: Array, profiles: Array, columns: Sequence[str], dimension: int) -> None:
    """Plot decoded rows (m, f), standardised, while one dimension of the code runs over `codes` (m,)."""
    figure = Figure((max(6.0, 0.35 * len(columns) + 3), 4.5), layout="constrained")
    axis = figure.subplots()
    colours = colormaps["viridis"](np.linspace(0, 0.95, len(codes)))
    for code, profile, colour in zip(codes, profiles, colours, strict=True):
        axis.plot(range(len(columns)), profile, marker="o", markersize=3, color=colour, label=f"{code:+.2f}")
    crowded = len(columns) > 40
    axis.set_xticks(
        [] if crowded else range(len(columns)),
        [] if crowded else [short(name) for name in columns],
        rotation=60,
        ha="right",
    )
    label(axis, "column", "decoded value (standardised)", f"Decoded rows as z[{dimension}] runs, the others held")
    axis.legend(title=f"z[{dimension}]", loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def plot_vector_samples(path: Path, data: Array, samples: Array, columns: Sequence[str]) -> None:
    """Plot samples (m, f) beside the data (n, f): in the plane, or as one histogram a column."""
    if data.shape[1] == 2:
        figure = Figure((6, 5), layout="constrained")
        axis = figure.subplots()
        axis.scatter(data[:, 0], data[:, 1], s=6, color=DATA, alpha=0.6, label="training data")
        axis.scatter(samples[:, 0], samples[:, 1], s=6, color=MODEL, alpha=0.6, label="samples")
        label(axis, columns[0], columns[1], "Samples beside the data")
        axis.legend()
    else:
        figure, axes = column_grid(data.shape[1], "Samples beside the data")
        for i, axis in enumerate(axes):
            bins = np.histogram_bin_edges(np.concatenate([data[:, i], samples[:, i]]), bins=30).tolist()
            axis.hist(data[:, i], bins, density=True, color=DATA, label="data")
            axis.hist(samples[:, i], bins, density=True, histtype="step", color=MODEL, label="samples")
            label(axis, short(columns[i]), "density", "")
        axes[0].legend()
    save(figure, path)
