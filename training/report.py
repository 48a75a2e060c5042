"""The report of a version: metrics, history and figures, written into `report/`."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from model_store.manifest import ImageInput, VectorInput
from model_store.preprocess import input_to_table
from model_store.prior import Mixture
from training import plots
from training.autoencoder import Autoencoder
from training.config import TrainingConfig
from training.evaluate import Evaluation
from training.export import coordinates
from training.inputs import Prepared
from training.loop import kept_epoch
from training.runs import HistoryRow

Float32 = NDArray[np.float32]

_RECONSTRUCTED = 12
_SAMPLES = 64
_VECTOR_SAMPLES = 1000
_SCATTERED = 3000
_GRID = 15
_QUANTILES = (0.05, 0.95)
_CURVE_QUANTILES = (0.005, 0.995)
_CURVE_POINTS = 200
_PROFILES = 7


@dataclass(frozen=True)
class _Context:
    model: Autoencoder
    data: Prepared
    evaluation: Evaluation
    prior: Mixture
    seed: int


def write_report(
    directory: Path,
    model: Autoencoder,
    data: Prepared,
    evaluation: Evaluation,
    prior: Mixture,
    history: Sequence[HistoryRow],
    training: TrainingConfig,
) -> None:
    """metrics.json, history.csv and five figures."""
    directory.mkdir()
    (directory / "metrics.json").write_text(json.dumps(evaluation.metrics, indent=1) + "\n", encoding="utf-8")
    with (directory / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    plots.plot_history(directory / "history.png", history, kept_epoch(history, training.patience))
    context = _Context(model, data, evaluation, prior, training.seed)
    _codes(directory / "codes.png", context)
    if isinstance(data.spec, ImageInput):
        _image_figures(directory, context)
    else:
        _vector_figures(directory, context, data.spec)


def _codes(path: Path, context: _Context) -> None:
    evaluation, data = context.evaluation, context.data
    dimensions = context.model.latent_dim
    names = ("z[0]", "z[1]") if dimensions == 2 else ("first principal component", "second principal component")
    names = ("z[0]", "") if dimensions == 1 else names
    points = coordinates(evaluation.train.z_mean, evaluation.test.z_mean)
    plots.plot_codes(path, points, data.test.labels, data.spec.class_names, names)


def _image_figures(directory: Path, context: _Context) -> None:
    test, outputs = context.data.test, context.evaluation.test_outputs
    shown = slice(0, _RECONSTRUCTED)
    plots.plot_reconstructions(directory / "reconstructions.png", test.x[shown], outputs[shown])
    grid, names, title = _code_grid(context)
    images = context.model.decode_array(grid.reshape(-1, grid.shape[-1]))
    plots.plot_image_manifold(
        directory / "manifold.png", images.reshape(*grid.shape[:2], *images.shape[1:]), title, names
    )
    samples, prior = _samples(context, _SAMPLES)
    plots.plot_image_samples(directory / "samples.png", samples, f"Samples from {prior}")


def _vector_figures(directory: Path, context: _Context, spec: VectorInput) -> None:
    data, model, train = context.data, context.model, context.evaluation.train
    named = None if spec.preprocess is None else spec.preprocess.columns
    columns = named or [f"x[{i}]" for i in range(spec.shape[0])]
    outputs = input_to_table(context.evaluation.test_outputs, spec)
    plots.plot_vector_reconstructions(
        directory / "reconstructions.png", data.test.inputs[:_SCATTERED], outputs[:_SCATTERED], columns
    )
    samples, _ = _samples(context, _VECTOR_SAMPLES)
    items = data.train.inputs[:_SCATTERED]
    plots.plot_vector_samples(directory / "samples.png", items, input_to_table(samples, spec), columns)
    if spec.shape[0] == 2:
        curves = [input_to_table(model.decode_array(line), spec) for line in _code_lines(train.z_mean)]
        plots.plot_plane_manifold(directory / "manifold.png", items, curves, columns)
    else:
        widest = int(train.z_mean.var(axis=0).argmax())
        codes = np.tile(train.z_mean.mean(axis=0), (_PROFILES, 1))
        codes[:, widest] = _between_quantiles(train.z_mean[:, widest], _PROFILES)
        plots.plot_profile_manifold(
            directory / "manifold.png", codes[:, widest], model.decode_array(codes), columns, widest
        )


def _code_grid(context: _Context) -> tuple[Float32, tuple[str, str | None], str]:
    """Codes (rows, columns, d) over the two widest dimensions, rows downwards; what the axes are; a title.

    Gaussian codes stand at the prior's quantiles with the others 0, deterministic ones between the training codes'
    quantiles with the others at their mean.
    """
    z_mean, dimensions = context.evaluation.train.z_mean, context.model.latent_dim
    base = np.zeros(dimensions) if context.model.gaussian else z_mean.mean(axis=0)
    widest = sorted(int(i) for i in np.argsort(-z_mean.var(axis=0))[:2])

    def axis(dimension: int) -> NDArray[np.float64]:
        if context.model.gaussian:
            return np.asarray(norm.ppf(np.linspace(*_QUANTILES, _GRID)), np.float64)
        return _between_quantiles(z_mean[:, dimension], _GRID)

    rows = 1 if dimensions == 1 else _GRID
    grid = np.tile(base, (rows, _GRID, 1)).astype(np.float32)
    grid[:, :, widest[0]] = axis(widest[0])
    if dimensions > 1:
        grid[:, :, widest[1]] = axis(widest[1])[::-1, None]
    kind = "the prior's" if context.model.gaussian else "the training codes'"
    low, high = (round(100 * q) for q in _QUANTILES)
    title = f"Decoded codes between {kind} {low} % and {high} % quantiles"
    return grid, (f"z[{widest[0]}]", f"z[{widest[1]}]" if dimensions > 1 else None), title


def _between_quantiles(values: Float32, count: int) -> NDArray[np.float64]:
    low, high = np.quantile(values.astype(np.float64), _QUANTILES)
    return np.linspace(low, high, count)


def _code_lines(z_mean: Float32) -> list[Float32]:
    """Lines of codes, each (m, d): the whole range of one dimension, or a net over the first two."""
    ends = np.quantile(z_mean, _CURVE_QUANTILES, axis=0)
    if z_mean.shape[1] == 1:
        return [np.linspace(ends[0], ends[1], _CURVE_POINTS).astype(np.float32)]
    lines: list[Float32] = []
    for along, across in ((0, 1), (1, 0)):
        for fixed in np.linspace(ends[0, across], ends[1, across], _GRID):
            line = np.tile(z_mean.mean(axis=0), (_CURVE_POINTS, 1)).astype(np.float32)
            line[:, along] = np.linspace(ends[0, along], ends[1, along], _CURVE_POINTS)
            line[:, across] = fixed
            lines.append(line)
    return lines


def _samples(context: _Context, n: int) -> tuple[Float32, str]:
    """n decoded samples of the prior that is served by default, and its name."""
    rng = np.random.default_rng(context.seed)
    dimensions, mixture = context.model.latent_dim, context.prior
    noise = rng.standard_normal((n, dimensions))
    if context.model.gaussian:
        return context.model.decode_array(noise.astype(np.float32)), "the prior N(0, I)"
    component = rng.choice(len(mixture.weights), n, p=mixture.weights)
    z = mixture.means[component] + np.einsum("nij,nj->ni", mixture.factors[component], noise)
    return context.model.decode_array(z.astype(np.float32)), "the mixture fitted to the codes"
