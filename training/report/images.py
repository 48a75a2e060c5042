"""The figures of a model of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.figures import images as figures
from training.manifold import Spacing, code_grid, straight_line
from training.report.context import Context, Float32

_RECONSTRUCTED = 12
_SAMPLES = 64
_SIDE, _LARGE_SIDE = 15, 30
_STEPS = 11
_CANDIDATES = 300
"""Test items among which the ends of a homotopy are looked for."""


def image_figures(directory: Path, context: Context) -> None:
    """Reconstructions, manifolds, homotopies and samples."""
    test, outputs = context.data.test, context.evaluation.test_outputs
    shown = slice(0, _RECONSTRUCTED)
    rows = [("original", test.x[shown]), ("decoded", outputs[shown])]
    figures.plot_image_rows(directory / "reconstructions.png", rows, "Test images over their reconstructions")
    _manifold(directory / "manifold.png", context, _SIDE, "quantiles")
    if context.model.latent_dim == 2:
        _manifold(directory / "manifold-15-linear.png", context, _SIDE, "linear")
        _manifold(directory / "manifold-30-quantiles.png", context, _LARGE_SIDE, "quantiles")
        _manifold(directory / "manifold-30-linear.png", context, _LARGE_SIDE, "linear")
    homotopy = homotopies(context)
    figures.plot_image_rows(
        directory / "homotopy.png", homotopy, "Straight lines between test images: in the data's space, in the code's"
    )
    samples, prior = context.samples(_SAMPLES)
    figures.plot_image_samples(directory / "samples.png", samples, f"Samples from {prior}")


def homotopies(context: Context) -> list[tuple[str, Float32]]:
    """Two pairs of test images, each as a row in the data's space above one in the code's: (steps, h, w, c).

    The first pair are the least alike of one class, the other the least alike of two classes; without classes, of all.
    """
    x = context.data.test.x[:_CANDIDATES]
    labels = context.data.test.labels
    codes = context.evaluation.test.z_mean
    rows: list[tuple[str, Float32]] = []
    for first, second in end_pairs(x, None if labels is None else labels[:_CANDIDATES]):
        decoded = context.model.decode_array(straight_line(codes[first], codes[second], _STEPS))
        rows += [("data", straight_line(x[first], x[second], _STEPS)), ("code", decoded)]
    return rows


def end_pairs(x: Float32, labels: NDArray[np.int64] | None) -> list[tuple[int, int]]:
    """The farthest apart of items (n, …) that share a label, and of those that do not: indices."""
    flat = x.reshape(len(x), -1).astype(np.float64)
    squares = np.square(flat).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * flat @ flat.T  # (n, n)
    same = np.ones(distance.shape, bool) if labels is None else labels[:, None] == labels[None]
    np.fill_diagonal(same, val=False)
    pairs = []
    different = ~same & ~np.eye(len(x), dtype=bool)
    for allowed in (same, different if labels is not None else np.zeros_like(same)):
        if allowed.any():
            first, second = np.unravel_index(np.where(allowed, distance, -np.inf).argmax(), distance.shape)
            pairs.append((int(first), int(second)))
    return pairs


def _manifold(path: Path, context: Context, side: int, spacing: Spacing) -> None:
    grid = code_grid(context.evaluation.train.z_mean, gaussian=context.model.gaussian, side=side, spacing=spacing)
    images = context.model.decode_array(grid.codes.reshape(-1, grid.codes.shape[-1]))
    figures.plot_image_manifold(path, images.reshape(*grid.codes.shape[:2], *images.shape[1:]), grid.title, grid.axes)
