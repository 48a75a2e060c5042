"""300 points on an S in the unit square, without noise: one number says where a point lies."""

from __future__ import annotations

import numpy as np

from model_store.arrays import Float64
from training.data.dataset import Dataset

_ITEMS = 300
_SEED = 0
_CURVE_POINTS = 400


def s_curve(u: Float64) -> Float64:
    """Points (n, 2) at the positions u (n,) in [0, 1]: t = 3π(u − ½), ((1 + sin t)/2, (sign t · (cos t − 1) + 2)/4)."""
    t = 3.0 * np.pi * (u - 0.5)
    return np.stack([(1.0 + np.sin(t)) / 2.0, (np.sign(t) * (np.cos(t) - 1.0) + 2.0) / 4.0], axis=1)


def load_s_curve() -> Dataset:
    """Load the 300 points, at positions drawn uniformly; always the same points."""
    points = s_curve(np.random.default_rng(_SEED).uniform(size=_ITEMS))
    return Dataset(
        name="s-curve",
        inputs=points.astype(np.float32),
        columns=("x", "y"),
        one_unit=True,
        curve=s_curve(np.linspace(0.0, 1.0, _CURVE_POINTS)).astype(np.float32),
        licence="none needed (synthetic)",
    )
