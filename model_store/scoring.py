"""Scores of each item (mse, nll, kl, anomaly), the same in the report and in the service; pure numpy, in nats.

Shapes: `x` and `outputs` (n, …) in the network's units, `z_mean` and `z_log_var` (n, d). Everything is summed in
float64 and returned as float64 (n,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float64
from model_store.manifest import AnomalySpec, Likelihood, ManifestBody

Array = NDArray[Any]

PROBABILITY_FLOOR = 1e-7
_PIECE_ELEMENTS = 1 << 15
"""Elements that are scored at a time: 256 kB an array in float64, which stays in a CPU's cache."""
ANOMALY_LEVELS = (*(round(i / 200, 3) for i in range(200)), 0.999, 1.0)


@dataclass(frozen=True)
class ReconstructionScores:
    """How far n items are from their reconstructions: (n,) each."""

    mse: Float64
    """In the network's units; the anomaly score."""
    nll: Float64
    """At z_mean, nats."""
    kl: Float64 | None
    """Nats; Gaussian codes only."""
    elbo: Float64 | None
    """-(nll + kl), nats; Gaussian codes only."""
    percentile: Float64
    """In [0, 100], among the held-out items."""
    is_anomaly: NDArray[np.bool_]
    """mse > threshold."""


def score_reconstructions(
    x: Array, outputs: Array, z_mean: Array, z_log_var: Array | None, body: ManifestBody, threshold: float
) -> ReconstructionScores:
    """Score n >= 1 items (n, …) against what the decoder made of their z_mean, both in the network's units."""
    mse = _by_pieces(mse_per_item, x, outputs)
    nll = _by_pieces(partial(nll_per_item, likelihood=body.likelihood), x, outputs)
    kl = None if z_log_var is None else kl_per_item(z_mean, z_log_var)
    return ReconstructionScores(
        mse=mse,
        nll=nll,
        kl=kl,
        elbo=None if kl is None else -(nll + kl),
        percentile=percentile_of(mse, body.anomaly),
        is_anomaly=mse > threshold,
    )


def anomaly_threshold(anomaly: AnomalySpec, threshold: float | None, quantile: float | None) -> float:
    """The threshold that is given, by value or as a quantile of the held-out errors; else the manifest's."""
    if threshold is not None:
        return threshold
    return anomaly.threshold if quantile is None else threshold_at(quantile, anomaly)


def squared_error(x: Array, outputs: Array) -> Float64:
    """(x - outputs)², element by element: (n, …)."""
    difference = np.asarray(x, np.float64) - np.asarray(outputs, np.float64)
    return np.square(difference)


def mse_per_item(x: Array, outputs: Array) -> Float64:
    """Mean squared error of each item, over its elements: (n,). The anomaly score."""
    return np.asarray(_per_item(squared_error(x, outputs)).mean(axis=1), np.float64)


def bce_per_item(x: Array, outputs: Array) -> Float64:
    """Mean binary cross-entropy per element of each item, x and outputs in [0, 1]: (n,)."""
    return np.asarray(_per_item(_cross_entropy(x, outputs)).mean(axis=1), np.float64)


def nll_per_item(x: Array, outputs: Array, likelihood: Likelihood) -> Float64:
    """-log p(x | z) of each item, summed over its elements: (n,).

    Bernoulli: binary cross-entropy. Continuous Bernoulli: the same less the log of its normalising constant
    (Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845). Gaussian: (x - m)² / 2σ² + log σ + ½ log 2π.
    """
    if likelihood.kind == "gaussian":
        sigma = float(likelihood.sigma or 1.0)
        terms = squared_error(x, outputs) / (2.0 * sigma**2) + np.log(sigma) + 0.5 * np.log(2.0 * np.pi)
    else:
        terms = _cross_entropy(x, outputs)
        if likelihood.kind == "continuous_bernoulli":
            terms = terms - _log_continuous_bernoulli_constant(outputs)
    return np.asarray(_per_item(terms).sum(axis=1), np.float64)


def kl_per_dimension(z_mean: Array, z_log_var: Array) -> Float64:
    """KL(N(z_mean, exp(z_log_var)) ‖ N(0, 1)) of each dimension: (n, d). Kingma & Welling 2014, appendix B."""
    mean, log_var = np.asarray(z_mean, np.float64), np.asarray(z_log_var, np.float64)
    divergence: Float64 = 0.5 * (np.square(mean) + np.exp(log_var) - log_var - 1.0)
    return divergence


def kl_per_item(z_mean: Array, z_log_var: Array) -> Float64:
    """KL of the posterior from the prior N(0, I), summed over dimensions: (n,)."""
    return np.asarray(kl_per_dimension(z_mean, z_log_var).sum(axis=1), np.float64)


def anomaly_spec(errors: Array, level: float = 0.99) -> AnomalySpec:
    """Quantiles of held-out errors (n,) and the threshold at `level`, for the manifest."""
    quantiles = np.quantile(np.asarray(errors, np.float64), ANOMALY_LEVELS)
    return AnomalySpec(
        levels=ANOMALY_LEVELS,
        quantiles=tuple(float(q) for q in np.maximum.accumulate(quantiles)),
        threshold=float(np.quantile(np.asarray(errors, np.float64), level)),
        threshold_level=level,
    )


def percentile_of(scores: Array, anomaly: AnomalySpec) -> Float64:
    """Percentile of each score (n,) among the held-out errors, in [0, 100], linear between the quantiles."""
    levels, quantiles = np.array(anomaly.levels), np.array(anomaly.quantiles)
    return np.interp(np.asarray(scores, np.float64), quantiles, levels * 100.0)


def threshold_at(level: float, anomaly: AnomalySpec) -> float:
    """Return the error below which a share `level`, in [0, 1], of the held-out items lies."""
    return float(np.interp(level, anomaly.levels, anomaly.quantiles))


def _by_pieces(score: Callable[[Array, Array], Float64], x: Array, outputs: Array) -> Float64:
    """A score of n items (n,), a few items at a time: what is computed on the way stays in the cache."""
    size = max(1, _PIECE_ELEMENTS // x[0].size)
    if len(x) <= size:
        return score(x, outputs)
    return np.concatenate([score(x[at : at + size], outputs[at : at + size]) for at in range(0, len(x), size)])


def _per_item(values: Float64) -> Float64:
    return values.reshape(len(values), -1)


def _cross_entropy(x: Array, outputs: Array) -> Float64:
    target = np.asarray(x, np.float64)
    p = np.clip(np.asarray(outputs, np.float64), PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    entropy: Float64 = -(target * np.log(p) + (1.0 - target) * np.log1p(-p))
    return entropy


def _log_continuous_bernoulli_constant(outputs: Array) -> Float64:
    """log C(λ) with C = 2 artanh(1 - 2λ) / (1 - 2λ), by its Taylor series where λ is near ½."""
    p = np.clip(np.asarray(outputs, np.float64), PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    u = 1.0 - 2.0 * p
    near_half = np.abs(u) < 1e-2
    safe = np.where(near_half, 0.5, u)
    series = np.log(2.0) + np.square(u) / 3.0 + 13.0 * u**4 / 90.0
    constant: Float64 = np.where(near_half, series, np.log(2.0 * np.arctanh(safe) / safe))
    return constant
