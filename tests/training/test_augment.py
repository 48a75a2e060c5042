"""Augmentation: off by default, bounded, and repeatable by its seed."""

from __future__ import annotations

import numpy as np

from training.augment import augment
from training.config import AugmentConfig
from training.tensorflow_import import import_tensorflow

tf = import_tensorflow()
SEED = tf.constant([4, 5])


def _dot(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """n black images of 21 × 21 with one white pixel in the middle."""
    x = np.zeros((n, 21, 21, 1), np.float32)
    x[:, 10, 10] = 1.0
    return x


def test_without_bounds_images_stay_as_they_are() -> None:
    x = np.random.default_rng(0).uniform(size=(3, 8, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(augment(tf.constant(x), AugmentConfig(), SEED), x, atol=1e-5)


def test_turning_and_zooming_keep_the_middle() -> None:
    moved = augment(tf.constant(_dot(50)), AugmentConfig(rotate_deg=90, zoom=0.2), SEED).numpy()
    assert moved[:, 10, 10, 0].min() > 0.99


def test_shifts_stay_within_their_bound_and_reach_for_it() -> None:
    moved = augment(tf.constant(_dot(500)), AugmentConfig(shift=0.2), SEED).numpy()[..., 0]
    position = np.arange(21)
    down = (moved.sum(axis=2) * position).sum(axis=1) / moved.sum(axis=(1, 2)) - 10
    assert 3.8 < np.abs(down).max() <= 4.2 + 1e-3
    assert abs(down.mean()) < 0.5


def test_the_seed_alone_decides() -> None:
    options = AugmentConfig(rotate_deg=10, shift=0.1, zoom=0.1)
    first, again, other = (augment(tf.constant(_dot(5)), options, seed) for seed in (SEED, SEED, SEED + 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
