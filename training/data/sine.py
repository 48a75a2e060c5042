"""1,000 points along one sine wave, with noise on both axes: a curve that one number nearly describes."""

from __future__ import annotations

import numpy as np

from training.data.dataset import Dataset

_ITEMS = 1000
_REACH = 2.2
_NOISE = 0.06
_SEED = 0


def load_sine() -> Dataset:
    """Load y = sin x, x even in [−2.2, 2.2], with normal noise of deviation 0.06 on both; always the same points."""
    rng = np.random.default_rng(_SEED)
    x = np.linspace(-_REACH, _REACH, _ITEMS)
    curve = np.stack([x, np.sin(x)], axis=1)
    points = curve + rng.normal(0.0, _NOISE, (_ITEMS, 2))
    return Dataset(
        name="sine",
        inputs=points.astype(np.float32),
        columns=("x", "y"),
        one_unit=True,
        curve=curve.astype(np.float32),
        licence="none needed (synthetic)",
    )
