"""Figures of the report for table rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_store.arrays import Float32
from model_store.manifest import VectorInput
from model_store.preprocess import input_to_table, table_to_input
from training.evaluate import pca
from training.figures import vectors as figures
from training.manifold import QUANTILES, code_lines
from training.report.context import Context

_SCATTERED = 3000
_SAMPLES = 1000
_PROFILES = 7
_PLANE = 120
_ENCODED_DIMENSIONS = 4


def vector_figures(directory: Path, context: Context, spec: VectorInput) -> None:
    """Write reconstructions, samples and the manifold; for two columns also the encoder."""
    data, model, train = context.data, context.model, context.evaluation.train
    columns = context.columns
    outputs = input_to_table(context.evaluation.test_outputs, spec)
    figures.plot_vector_reconstructions(
        directory / "reconstructions.png", data.test.inputs[:_SCATTERED], outputs[:_SCATTERED], columns
    )
    samples, _ = context.samples(_SAMPLES)
    items = np.asarray(data.train.inputs[:_SCATTERED], np.float32)
    figures.plot_vector_samples(directory / "samples.png", items, input_to_table(samples, spec), columns)
    if spec.shape[0] == 2:
        curves = [input_to_table(model.decode_array(line), spec) for line in code_lines(train.z_mean)]
        linear = input_to_table(principal_line(data.train.x), spec)
        figures.plot_plane_manifold(directory / "manifold.png", items, curves, columns, truth=data.curve, linear=linear)
        _encoder(directory / "encoder.png", context, spec, items, columns)
    else:
        widest = int(train.z_mean.var(axis=0).argmax())
        low, high = np.quantile(train.z_mean[:, widest].astype(np.float64), QUANTILES)
        codes = np.tile(train.z_mean.mean(axis=0), (_PROFILES, 1))
        codes[:, widest] = np.linspace(low, high, _PROFILES)
        figures.plot_profile_manifold(
            directory / "manifold.png", codes[:, widest], model.decode_array(codes), columns, widest
        )


def principal_line(x: Float32) -> Float32:
    """Find the two ends (2, f) of the first principal component of items (n, f)."""
    scores, _, _ = pca(x, x[:1], 1)
    ends = [int(scores[:, 0].argmin()), int(scores[:, 0].argmax())]
    return pca(x, x[ends], 1)[2]


def _encoder(path: Path, context: Context, spec: VectorInput, items: Float32, columns: Sequence[str]) -> None:
    low, high = items.min(axis=0), items.max(axis=0)
    margin = 0.15 * (high - low)
    first, second = (np.linspace(low[i] - margin[i], high[i] + margin[i], _PLANE, dtype=np.float32) for i in (0, 1))
    x, y = np.meshgrid(first, second)
    codes, _ = context.model.encode_array(table_to_input(np.stack([x.ravel(), y.ravel()], axis=1), spec))
    shown = codes[:, :_ENCODED_DIMENSIONS].reshape(_PLANE, _PLANE, -1)
    figures.plot_encoder_plane(path, (first, second), shown, items, columns, [f"z[{i}]" for i in range(shown.shape[2])])
