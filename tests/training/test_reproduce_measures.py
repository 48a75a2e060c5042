"""The measures of `latent reproduce`, on arrays with known results."""

from __future__ import annotations

import numpy as np
import pytest

from training.reproduce.measures import (
    distances_to_curve,
    frechet_distance,
    order_kept,
    positions_on_curve,
    principal_angle_deg,
    rms,
)


def test_the_angle_between_two_lines_and_two_planes() -> None:
    tilted = np.array([[np.cos(np.radians(30)), np.sin(np.radians(30))]])
    assert principal_angle_deg(-3.0 * tilted, np.array([[1.0, 0.0]])) == pytest.approx(30.0)
    floor, wall = np.eye(3)[[0, 1]], np.eye(3)[[0, 2]]
    assert principal_angle_deg(floor, wall) == pytest.approx(90.0)
    assert principal_angle_deg(floor, np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]])) == pytest.approx(0.0, abs=1e-6)


def test_distances_are_to_the_segments_and_not_to_their_ends() -> None:
    corner = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    points = np.array([[0.5, 0.2], [1.0, 0.5], [2.0, 2.0], [-3.0, 4.0]])
    np.testing.assert_allclose(distances_to_curve(points, corner), [0.2, 0.0, np.sqrt(2.0), 5.0])
    np.testing.assert_array_equal(positions_on_curve(points, corner), [0, 1, 2, 0])
    twice = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])  # a segment without a length
    np.testing.assert_allclose(distances_to_curve(np.array([[0.0, 3.0]]), twice), [3.0])


def test_the_root_mean_square() -> None:
    assert rms(np.array([3.0, -4.0])) == pytest.approx(np.sqrt(12.5))


def test_order_counts_in_either_direction() -> None:
    positions = np.arange(5)
    assert order_kept(np.array([0.0, 0.1, 0.5, 3.0, 9.0]), positions) == pytest.approx(1.0)
    assert order_kept(-np.exp(positions), positions) == pytest.approx(1.0)
    assert order_kept(np.array([2.0, 1.0, 0.0, 1.0, 2.0]), positions) == pytest.approx(0.0)
    assert order_kept(np.zeros(5), positions) == 0.0


def test_the_frechet_distance_of_gaussians() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 3))
    assert frechet_distance(features, features) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(features + np.array([3.0, 4.0, 0.0]), features) == pytest.approx(25.0)
    # Twice as wide: sum of (2σ − σ)² over the principal axes, which is the covariance's trace.
    assert frechet_distance(2.0 * features, features) == pytest.approx(
        np.trace(np.cov(features.T)) + np.square(features.mean(axis=0)).sum()
    )
