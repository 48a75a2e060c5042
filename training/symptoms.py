"""Measurements of a trained model for the rules of `training.diagnosis`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.sparse.csgraph import connected_components, shortest_path
from scipy.special import logsumexp
from scipy.stats import spearmanr

from model_store.arrays import Float64
from model_store.prior import Mixture
from model_store.scoring import mse_per_item
from training.autoencoder import Autoencoder
from training.data.dataset import Labels
from training.diagnosis import Symptoms
from training.evaluate import Evaluation
from training.inputs import Prepared, Split

Array = NDArray[Any]

_ITEMS = 2000
_CURVE_ITEMS = 1000
_NEIGHBOURS = 10
_DETOUR = 0.03
"""Largest mean detour from end to end through an item, as a share of the curve's length."""
_MIDDLE_WIDTH = 0.25
"""Largest extent of the items half-way along, as a share of the curve's length; a ring exceeds it."""
_NEAR_BINARY = 0.02
_WINDOW = 9
_JUMP = 0.1


def measure(
    model: Autoencoder, data: Prepared, evaluation: Evaluation, prior: Mixture, *, binarised: bool = False
) -> Symptoms:
    """Measure every number that the rules use, on at most 2,000 training and 2,000 test items.

    With `binarised`, training items are drawn as 0 and 1 here too, as they are in training.
    """
    train_x, train_labels = spread(data.train.x, _ITEMS), _labels(data.train)
    test_x, test_labels = spread(data.test.x, _ITEMS), _labels(data.test)
    train = spread(evaluation.train.z_mean, _ITEMS)
    if binarised:
        train_x = (np.random.default_rng(0).uniform(size=train_x.shape) < train_x).astype(np.float32)
        train = model.encode_array(train_x, train_labels)[0]
    train_errors = mse_per_item(train_x, model.decode_array(train, train_labels))
    test_errors = mse_per_item(test_x, spread(evaluation.test_outputs, _ITEMS))
    gaussian = evaluation.test.z_log_var is not None
    residual = prior_gap = None
    if gaussian:
        z = spread(evaluation.test.z, _ITEMS)
        residual = math.sqrt(float(mse_per_item(test_x, model.decode_array(z, test_labels)).mean()))
        prior_gap = float((log_density(prior, z) - log_density(standard_normal(z.shape[1]), z)).mean())
    rho, pieces = None, 1
    along = codes_along_curve(data, evaluation)
    if along is not None:
        rho, pieces = along_curve(*along)
    near_binary = np.minimum(np.abs(train_x), np.abs(1.0 - train_x)) <= _NEAR_BINARY
    return Symptoms(
        train_mse=float(train_errors.mean()),
        test_mse=float(test_errors.mean()),
        mse_error=math.sqrt(
            sum(float(errors.var()) / max(1, len(errors) - 1) for errors in (train_errors, test_errors))
        ),
        latent_dim=model.latent_dim,
        active_units=_active_units(evaluation.test.z_mean, gaussian=gaussian),
        kl=evaluation.metrics.get("kl"),
        prior_gap=prior_gap,
        residual=residual,
        sigma=evaluation.likelihood.sigma if gaussian else None,
        binary_share=float(near_binary.mean()),
        code_rho=rho,
        code_pieces=pieces,
    )


def codes_along_curve(data: Prepared, evaluation: Evaluation) -> tuple[Float64, Float64] | None:
    """Return 1-d codes (n,) of at most 1,000 training items and the items' places (n,) along their curve, or None."""
    z_mean, x = evaluation.train.z_mean, data.train.x
    if z_mean.shape[1] != 1 or x.ndim != 2:
        return None
    order = curve_order(spread(x, _CURVE_ITEMS).astype(np.float64))
    return None if order is None else (spread(z_mean, _CURVE_ITEMS)[:, 0].astype(np.float64), order)


def curve_order(points: Float64) -> Float64 | None:
    """Order points (n, f) by their distance along their curve, from one end: (n,); None if they lie on no curve.

    Distances are those of the graph of nearest neighbours, as in Isomap (Tenenbaum, de Silva & Langford 2000). Points
    lie on a curve if the way between its ends is hardly longer through any of them, and if it does not close.
    """
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(points, min(_NEIGHBOURS, len(points) - 1), mode="distance")
    if connected_components(graph, directed=False)[0] > 1:
        return None

    def distances(start: int) -> Float64:
        return np.asarray(shortest_path(graph, directed=False, indices=[start])[0], np.float64)

    first = int(distances(0).argmax())
    from_first = distances(first)
    last = int(from_first.argmax())
    length, from_last = float(from_first[last]), distances(last)
    if length == 0 or float((from_first + from_last - length).mean()) > _DETOUR * length:
        return None
    order = np.asarray((from_first + length - from_last) / 2, np.float64)
    middle = points[np.abs(order - length / 2) < length / 20]
    if len(middle) and float(np.linalg.norm(np.ptp(middle, axis=0))) > _MIDDLE_WIDTH * length:
        return None
    return order


def along_curve(code: Array, order: Array) -> tuple[float, int]:
    """|Spearman ρ| of 1-d codes (n,) with the items' places (n,) on a curve, and the number of its torn pieces.

    A tear is where the codes' ranks, smoothed over nine neighbours, jump by more than a tenth of all items.
    """
    if np.ptp(code) == 0:
        return 0.0, 1
    rho = abs(float(spearmanr(code, order).statistic))
    ranks = np.argsort(np.argsort(code[np.argsort(order, kind="stable")], kind="stable"))
    smooth = median_filter(ranks.astype(np.float64), size=_WINDOW, mode="nearest")
    return rho, 1 + int((np.abs(np.diff(smooth)) > _JUMP * len(code)).sum())


def log_density(mixture: Mixture, z: Array) -> Float64:
    """log q(z) in nats of codes (n, d) under a Gaussian mixture: (n,)."""
    parts = []
    for weight, mean, factor in zip(mixture.weights, mixture.means, mixture.factors, strict=True):
        white = np.linalg.solve(factor, (z.astype(np.float64) - mean).T)  # (d, n)
        log_det = np.log(np.diag(factor)).sum()
        with np.errstate(divide="ignore"):  # a component may have lost all its weight
            log_weight = np.log(weight)
        parts.append(log_weight - 0.5 * (np.square(white).sum(axis=0) + len(mean) * math.log(2 * math.pi)) - log_det)
    return np.asarray(logsumexp(parts, axis=0), np.float64)


def standard_normal(dimensions: int) -> Mixture:
    """Return N(0, I) as a mixture of one component."""
    return Mixture(np.ones(1), np.zeros((1, dimensions)), np.eye(dimensions)[None])


def spread(items: Array, most: int) -> Array:
    """Take at most `most` of the items (n, …), spread evenly because a source may be sorted."""
    return items[np.linspace(0, len(items) - 1, min(len(items), most)).astype(np.int64)]


def _labels(split: Split) -> Labels | None:
    return None if split.labels is None else spread(split.labels, _ITEMS)


def _active_units(z_mean: Array, *, gaussian: bool) -> int:
    """Count active dimensions: Gaussian as `evaluate.active_units`, deterministic relative to the widest dimension."""
    variance = z_mean.astype(np.float64).var(axis=0)
    least = 0.01 if gaussian else 1e-4 * float(variance.max())
    return int((variance > least).sum())
