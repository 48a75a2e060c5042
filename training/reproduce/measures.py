"""Figures that the report does not have: pure functions of arrays, each one number or one number an item."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import subspace_angles
from scipy.stats import spearmanr

from model_store.arrays import Float64

Array = NDArray[Any]


def principal_angle_deg(directions: Array, reference: Array) -> float:
    """The largest angle between the subspaces that the rows (k, f) of both span, in degrees from 0 to 90.

    Björck & Golub 1973.
    """
    angles = subspace_angles(np.asarray(directions, np.float64).T, np.asarray(reference, np.float64).T)
    return float(np.degrees(angles.max()))


def distances_to_curve(points: Array, curve: Array) -> Float64:
    """The distance of each point (n, f) to the nearest place on the polyline through `curve` (m, f): (n,)."""
    start, end = (np.asarray(part, np.float64) for part in (curve[:-1], curve[1:]))
    along = end - start  # (m - 1, f)
    length = np.maximum(np.square(along).sum(axis=1), np.finfo(np.float64).tiny)
    offset = np.asarray(points, np.float64)[:, None] - start  # (n, m - 1, f)
    share = np.clip((offset * along).sum(axis=2) / length, 0.0, 1.0)  # (n, m - 1)
    nearest = np.square(offset - share[..., None] * along).sum(axis=2).min(axis=1)
    return np.asarray(np.sqrt(nearest), np.float64)


def positions_on_curve(points: Array, curve: Array) -> NDArray[np.int64]:
    """Index of the nearest point of `curve` (m, f) to each of `points` (n, f): (n,)."""
    offset = np.asarray(points, np.float64)[:, None] - np.asarray(curve, np.float64)
    return np.asarray(np.square(offset).sum(axis=2).argmin(axis=1), np.int64)


def rms(values: Array) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.square(np.asarray(values, np.float64)).mean()))


def order_kept(codes: Array, positions: Array) -> float:
    """|Spearman's ρ| of two rankings (n,): 1 if codes follow the curve, in either direction.

    Codes that are all the same keep no order: 0.
    """
    if np.ptp(codes) == 0 or np.ptp(positions) == 0:
        return 0.0
    return float(abs(spearmanr(codes, positions).statistic))


def frechet_distance(features: Array, reference: Array) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets of features, (n, f) and (m, f).

    |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), Dowson & Landau 1982; with other features Heusel et al. 2017,
    arXiv:1706.08500.
    """
    (mean, covariance), (other_mean, other_covariance) = (
        (part.mean(axis=0), np.cov(part, rowvar=False).reshape(part.shape[1], part.shape[1]))
        for part in (np.asarray(features, np.float64), np.asarray(reference, np.float64))
    )
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other_covariance @ root), 0.0)).sum()
    distance = np.square(mean - other_mean).sum() + np.trace(covariance) + np.trace(other_covariance) - 2.0 * cross
    return max(0.0, float(distance))
