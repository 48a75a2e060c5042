"""The fitted prior of a version: a full-covariance Gaussian mixture over its codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from model_store.archives import SPARE_BYTES, read_archive, write_archive
from model_store.arrays import Float64
from model_store.errors import PriorInvalid

_ROOM_COMPONENTS = 32
"""Components that prior.npz may hold at any rate: the limit of its bytes is made for these."""


@dataclass(frozen=True)
class Mixture:
    """k Gaussians over codes of length d: weights (k,), means (k, d), covariances (k, d, d)."""

    weights: Float64
    means: Float64
    covariances: Float64

    @cached_property
    def factors(self) -> Float64:
        """Lower Cholesky factors of the covariances: (k, d, d)."""
        return np.asarray(np.linalg.cholesky(self.covariances), np.float64)

    @property
    def mean(self) -> Float64:
        """The mixture's mean: (d,)."""
        return np.asarray(self.weights @ self.means, np.float64)


def write_prior(path: Path, mixture: Mixture) -> None:
    """Write prior.npz."""
    write_archive(path, {"weights": mixture.weights, "means": mixture.means, "covariances": mixture.covariances})


def read_prior(path: Path, latent_dim: int) -> Mixture:
    """Read prior.npz. Raises PriorInvalid if it is not a Gaussian mixture over codes of length `latent_dim`."""
    component_bytes = 8 * (1 + latent_dim + latent_dim**2)
    try:
        arrays = read_archive(path, SPARE_BYTES + _ROOM_COMPONENTS * component_bytes)
    except ValueError as error:
        raise PriorInvalid(f"prior.npz: {error}") from error
    if missing := sorted({"weights", "means", "covariances"} - arrays.keys()):
        raise PriorInvalid(f"prior.npz lacks {', '.join(missing)}")
    mixture = Mixture(*(arrays[name].astype(np.float64) for name in ("weights", "means", "covariances")))
    k, d = mixture.weights.size, latent_dim
    if (mixture.weights.shape, mixture.means.shape, mixture.covariances.shape) != ((k,), (k, d), (k, d, d)):
        raise PriorInvalid(f"prior.npz: its shapes are no mixture over codes of length {d}")
    if k == 0 or not (mixture.weights >= 0).all() or not abs(mixture.weights.sum() - 1.0) <= 1e-6:
        raise PriorInvalid("prior.npz: the weights must not be negative and add up to 1")
    if not np.allclose(mixture.covariances, mixture.covariances.transpose(0, 2, 1)):
        raise PriorInvalid("prior.npz: every covariance must be symmetric")
    try:
        finite = bool(np.isfinite(mixture.means).all() and np.isfinite(mixture.factors).all())
    except np.linalg.LinAlgError:
        finite = False
    if not finite:
        raise PriorInvalid("prior.npz: every mean must be finite and every covariance positive definite")
    return mixture
