"""Figures of the report for images, and for sequences, which are drawn as images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from training.figures import images as figures
from training.manifold import Spacing, code_grid, straight_line
from training.report.context import Context

_RECONSTRUCTED = 12
_SAMPLES = 64
_SAMPLE_ROWS = 8
_STYLES = 10
_SIDE, _LARGE_SIDE = 15, 30
_STEPS = 11
_CANDIDATES = 300
"""Number of test items from which the ends of a homotopy are chosen."""


def image_figures(directory: Path, context: Context) -> None:
    """Write reconstructions, manifolds, homotopies and samples; for a conditional model, one style on all labels."""
    _reconstructions(directory / "reconstructions.png", context)
    _manifold(directory / "manifold.png", context, _SIDE, "quantiles")
    if context.model.latent_dim == 2:
        _manifold(directory / "manifold-15-linear.png", context, _SIDE, "linear")
        _manifold(directory / "manifold-30-quantiles.png", context, _LARGE_SIDE, "quantiles")
        _manifold(directory / "manifold-30-linear.png", context, _LARGE_SIDE, "linear")
    figures.plot_image_rows(
        directory / "homotopy.png",
        homotopies(context),
        "Straight lines between test items: in the data's space, in the code's",
    )
    _samples(directory / "samples.png", context)
    if context.model.classes:
        _style_transfer(directory / "styles.png", context)


def homotopies(context: Context) -> list[tuple[str, Float32]]:
    """Make homotopies of two pairs of test items: a row through the data's space, one through the codes.

    The first pair are the least alike of one class, the other the least alike of two classes; without classes, of all.
    A conditional model has the first pair alone: a line has one label.
    """
    x, labels = context.data.test.x[:_CANDIDATES], context.data.test.labels
    codes = context.evaluation.test.z_mean
    rows: list[tuple[str, Float32]] = []
    for first, second in end_pairs(x, None if labels is None else labels[:_CANDIDATES]):
        label = 0 if labels is None else int(labels[first])
        if context.model.classes and rows:
            break
        line = straight_line(codes[first], codes[second], _STEPS)
        decoded = context.model.decode_array(line, np.full(_STEPS, label))
        rows.append(("data", context.pictures(straight_line(x[first], x[second], _STEPS))))
        rows.append(("code", context.pictures(decoded)))
    return rows


def end_pairs(x: Float32, labels: NDArray[np.int64] | None) -> list[tuple[int, int]]:
    """Find the two most distant items (n, …) with the same label, and with different labels: indices."""
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


def _reconstructions(path: Path, context: Context) -> None:
    evaluation, shown = context.evaluation, slice(0, _RECONSTRUCTED)
    rows = [("original", context.data.test.x[shown])]
    title = "Test items over their reconstructions"
    if evaluation.noisy is not None and evaluation.noisy_outputs is not None:
        rows += [("noisy", evaluation.noisy[shown]), ("decoded", evaluation.noisy_outputs[shown])]
        title = "Test items, with noise, and what is made of the noisy ones"
    else:
        rows.append(("decoded", evaluation.test_outputs[shown]))
    figures.plot_image_rows(path, [(name, context.pictures(items)) for name, items in rows], title)


def _manifold(path: Path, context: Context, side: int, spacing: Spacing) -> None:
    model = context.model
    grid = code_grid(context.evaluation.train.z_mean, gaussian=model.gaussian, side=side, spacing=spacing)
    images = context.pictures(model.decode_array(grid.codes.reshape(-1, grid.codes.shape[-1])))
    names = context.data.spec.class_names
    title = f"{grid.title}, label {names[0]}" if model.classes and names else grid.title
    figures.plot_image_manifold(path, images.reshape(*grid.codes.shape[:2], *images.shape[1:]), title, grid.axes)


def _samples(path: Path, context: Context) -> None:
    classes = context.model.classes
    samples, prior = context.samples(_SAMPLE_ROWS * classes if classes else _SAMPLES)
    images = context.pictures(samples)
    if not classes:
        figures.plot_image_samples(path, images, f"Samples from {prior}")
        return
    sheet = images.reshape(_SAMPLE_ROWS, classes, *images.shape[1:])
    figures.plot_image_manifold(path, sheet, f"Samples from {prior}, a column a label", ("label", None))


def _style_transfer(path: Path, context: Context) -> None:
    """Decode the code of each class's first test item as every class."""
    labels, names = context.data.test.labels, context.data.spec.class_names
    if labels is None or names is None:
        return
    present, first = (part[:_STYLES] for part in np.unique(labels, return_index=True))
    n = len(present)
    codes = np.repeat(context.evaluation.test.z_mean[first], n, axis=0)
    decoded = context.pictures(context.model.decode_array(codes, np.tile(present, n)))
    figures.plot_image_table(
        path,
        context.pictures(context.data.test.x[first]),
        decoded.reshape(n, n, *decoded.shape[1:]),
        [names[label] for label in present],
        "The style of one item on every label",
    )
