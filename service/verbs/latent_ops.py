"""The mathematics of a latent space: paths, noise, samples, grids. Pure numpy, in float64.

Codes are (n, d); `d` is the model's latent_dim. Everything here is a function of its arguments alone, so the same
seed gives the same codes on any engine, whatever else is being served.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float64
from model_store.prior import Mixture

Array = NDArray[Any]
Method = Literal["lerp", "slerp"]

_CHUNK_BYTES = 8 << 20


# -- paths -------------------------------------------------------------------------------------------------


def lerp(z_start: Array, z_end: Array, t: Float64) -> Float64:
    """Linear interpolation: (d,), (d,), t (steps,) in [0, 1] -> (steps, d)."""
    t = t[:, None]
    return np.asarray((1.0 - t) * z_start + t * z_end, np.float64)


def slerp(z_start: Array, z_end: Array, t: Float64) -> Float64:
    """Spherical interpolation: (d,), (d,), t (steps,) in [0, 1] -> (steps, d).

    Codes in prior standard deviations. Shoemake 1985; for Gaussian priors White 2016, arXiv:1609.04468. Parallel,
    opposite or zero vectors span no unique arc: they get the straight line.
    """
    start, end = np.asarray(z_start, np.float64), np.asarray(z_end, np.float64)
    u, v = start * np.linalg.norm(end), end * np.linalg.norm(start)
    omega = 2.0 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))  # accurate near 0 and π
    if np.sin(omega) < 1e-6:
        return lerp(start, end, t)
    t = t[:, None]
    path = (np.sin((1.0 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)
    return np.asarray(path, np.float64)


def path_positions(waypoints: int, steps: int) -> Float64:
    """Positions t along a path, 0 to waypoints - 1: `steps` in each segment, shared ends once; integers are exact."""
    segments = waypoints - 1
    positions = np.arange(segments * (steps - 1) + 1) / (steps - 1)
    positions[:: steps - 1] = np.arange(waypoints)
    return np.asarray(positions, np.float64)


def path(waypoints: Array, steps: int, method: Method) -> Float64:
    """A path through waypoints (w, …): ((w - 1)(steps - 1) + 1, …), which includes every waypoint exactly.

    `slerp` needs vectors (w, d); `lerp` takes any shape.
    """
    points = np.asarray(waypoints, np.float64)
    flat = points.reshape(len(points), -1)
    t = np.arange(steps) / (steps - 1)
    between = slerp if method == "slerp" else lerp
    pieces = [flat[:1]]
    for start, end in pairwise(flat):
        piece = between(start, end, t)
        piece[-1] = end  # the formula may miss it by an ulp
        pieces.append(piece[1:])
    return np.concatenate(pieces).reshape(-1, *points.shape[1:])


# -- noise and samples -------------------------------------------------------------------------------------


def uniforms(seed: int, rows: int, columns: int) -> Float64:
    """Uniform random numbers in the open interval (0, 1): (rows, columns), each a function of (seed, row, column).

    A counter-based generator (Philox, Salmon et al. 2011) keyed by the seed, read row by row: more rows do not change
    earlier rows. Another number of `columns` gives other numbers.
    """
    raw = np.random.Philox(key=seed).random_raw(rows * columns)
    return ((np.asarray(raw, np.uint64) >> np.uint64(12)).astype(np.float64) + 0.5).reshape(rows, columns) * 2.0**-52


@dataclass(frozen=True)
class Noise:
    """Random numbers for n codes: `choice` (n,) uniform selects a component, `normal` (n, d) its deviations."""

    choice: Float64
    normal: Float64


def noise(seed: int, n: int, latent_dim: int, truncation: float | None = None) -> Noise:
    """Draw standard normal noise by the inverse CDF, truncated at ± `truncation` standard deviations if given."""
    from scipy.special import ndtr, ndtri

    u = uniforms(seed, n, latent_dim + 1)
    choice, rest = u[:, 0], u[:, 1:]
    if truncation is None:
        return Noise(choice, np.asarray(ndtri(rest), np.float64))
    low, high = ndtr(-truncation), ndtr(truncation)
    normal = np.clip(ndtri(low + rest * (high - low)), -truncation, truncation)
    return Noise(choice, np.asarray(normal, np.float64))


def sample_standard(eps: Noise, temperature: float) -> Float64:
    """Codes from N(0, temperature² I): (n, d)."""
    return temperature * eps.normal


def sample_mixture(mixture: Mixture, eps: Noise, temperature: float) -> Float64:
    """Codes from the fitted prior, each component's deviations scaled by `temperature`: (n, d).

    Each row is multiplied out by itself, never through a matrix product, whose rounding may depend on n.
    """
    edges = np.cumsum(mixture.weights)[:-1]
    component = np.searchsorted(edges, eps.choice, side="right")
    d = mixture.means.shape[1]
    codes = np.empty((len(component), d))
    rows = max(1, _CHUNK_BYTES // (8 * d * d))
    for start in range(0, len(component), rows):
        chosen, normal = component[start : start + rows], eps.normal[start : start + rows]
        spread = (mixture.factors[chosen] * normal[:, None, :]).sum(axis=-1)
        codes[start : start + rows] = mixture.means[chosen] + temperature * spread
    return codes


def sample_posterior(z_mean: Array, z_log_var: Array, eps: Noise) -> Float64:
    """z = z_mean + exp(z_log_var / 2) · ε: (n, d). Kingma & Welling 2014, arXiv:1312.6114."""
    mean, log_var = np.asarray(z_mean, np.float64), np.asarray(z_log_var, np.float64)
    return np.asarray(mean + np.exp(0.5 * log_var) * eps.normal, np.float64)


# -- grids -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Axis:
    """The prior of one dimension of a code: a mixture of k Gaussians with weights, means and deviations (k,)."""

    weights: Float64
    means: Float64
    deviations: Float64

    @property
    def mean(self) -> float:
        """The mixture's mean."""
        return float(self.weights @ self.means)

    @property
    def deviation(self) -> float:
        """The mixture's standard deviation."""
        second = self.weights @ (np.square(self.deviations) + np.square(self.means))
        return float(np.sqrt(max(second - self.mean**2, 0.0)))

    def quantiles(self, levels: Float64) -> Float64:
        """The inverse CDF at levels (n,) in (0, 1), by bisection; the normal's own inverse where k = 1."""
        from scipy.special import ndtr, ndtri

        if len(self.weights) == 1:
            return np.asarray(self.means[0] + self.deviations[0] * ndtri(levels), np.float64)
        each = self.means[:, None] + self.deviations[:, None] * ndtri(levels)
        low, high = each.min(axis=0), each.max(axis=0)
        for _ in range(80):
            middle = 0.5 * (low + high)
            standardised = (middle - self.means[:, None]) / self.deviations[:, None]
            below = self.weights @ ndtr(standardised) < levels
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(0.5 * (low + high), np.float64)


STANDARD_AXIS = Axis(np.ones(1), np.zeros(1), np.ones(1))


def mixture_axis(mixture: Mixture, dimension: int) -> Axis:
    """The marginal distribution of a mixture in one dimension."""
    deviations = np.sqrt(mixture.covariances[:, dimension, dimension])
    return Axis(mixture.weights, mixture.means[:, dimension], deviations)


def quantile_spacing(axis: Axis, n: int, low: float) -> Float64:
    """n values between the prior's quantiles `low` and 1 - low, equally probable apart: (n,); n = 1: the median."""
    return axis.quantiles(np.linspace(low, 1.0 - low, n) if n > 1 else np.array([0.5]))


def linear_spacing(axis: Axis, n: int, extent: float) -> Float64:
    """n values from -extent to extent standard deviations around the mean: (n,); n = 1: the mean."""
    places = np.linspace(-extent, extent, n) if n > 1 else np.zeros(1)
    return np.asarray(axis.mean + axis.deviation * places, np.float64)


def grid(base: Float64, dims: tuple[int, ...], values: tuple[Float64, ...]) -> Float64:
    """Codes that vary in one or two dimensions around `base` (d,): row by row, (rows · columns, d).

    The first of `dims` grows to the right in each row, the second upwards from row to row, like the axes of a plot.
    """
    if len(dims) == 1:
        codes = np.repeat(base[None], len(values[0]), axis=0)
        codes[:, dims[0]] = values[0]
        return codes
    right, up = values
    codes = np.repeat(base[None], len(right) * len(up), axis=0)
    codes[:, dims[0]] = np.tile(right, len(up))
    codes[:, dims[1]] = np.repeat(up[::-1], len(right))
    return codes
