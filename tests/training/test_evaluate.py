"""The figures of the report, on arrays with known results."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate import Codes, active_units, knn_accuracy, pca
from training.export import coordinates, fit_prior


def test_active_units_counts_dimensions_that_vary() -> None:
    z_mean = np.zeros((100, 3), np.float32)
    z_mean[::2, 0] = 1.0  # variance 0.25
    z_mean[::2, 1] = 0.19  # variance 0.009
    assert active_units(z_mean) == 1


def test_knn_accuracy_is_the_share_of_right_votes() -> None:
    codes = np.array([[0.0], [0.1], [0.2], [0.3], [0.4], [9.0], [9.1], [9.2], [9.3], [9.4]], np.float32)
    labels = np.array([0] * 5 + [1] * 5)
    test_codes = np.array([[0.2], [9.2], [8.0], [1.0]], np.float32)
    assert knn_accuracy(codes, labels, test_codes, np.array([0, 1, 1, 1])) == 0.75


def test_pca_rebuilds_what_lies_in_its_plane() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6))).astype(np.float32).reshape(50, 3, 2)
    scores, test_scores, outputs = pca(x, x[:5], 2)
    np.testing.assert_allclose(outputs, x[:5], atol=1e-5)
    np.testing.assert_allclose(test_scores, scores[:5], atol=1e-5)
    assert pca(x, x[:5], 16)[0].shape == (50, 6)  # there are no more


def test_the_prior_has_as_many_components_as_held_out_codes_ask_for() -> None:
    rng = np.random.default_rng(1)

    def codes(n: int, centres: list[float]) -> Codes:
        z = np.stack([rng.choice(centres, n), np.zeros(n)], axis=1) + 0.1 * rng.normal(size=(n, 2))
        return Codes(z.astype(np.float32), None, z.astype(np.float32))

    one = fit_prior(codes(500, [0.0]), codes(100, [0.0]), seed=0)
    assert len(one.mixture.weights) == 1
    # log-density of N(0, 0.01 I) at its own samples: -log(2π · 0.01) - 1
    assert one.validation_log_likelihood == pytest.approx(-np.log(2 * np.pi * 0.01) - 1, abs=0.15)
    four = fit_prior(codes(800, [-9.0, -3.0, 3.0, 9.0]), codes(100, [-9.0, -3.0, 3.0, 9.0]), seed=0)
    assert len(four.mixture.weights) >= 4
    assert four.validation_log_likelihood == pytest.approx(one.validation_log_likelihood - np.log(4), abs=0.3)


def test_the_prior_survives_a_dimension_that_says_nothing() -> None:
    z = np.zeros((60, 3), np.float32)
    z[:, 0] = np.linspace(-1, 1, 60)
    mixture = fit_prior(Codes(z, None, z), Codes(z[:8], None, z[:8]), seed=0).mixture
    assert np.isfinite(mixture.factors).all()


def test_coordinates_of_one_two_and_more_dimensions() -> None:
    z = np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)
    np.testing.assert_array_equal(coordinates(z[:, :2], z[:, :2]), z[:, :2])
    np.testing.assert_array_equal(coordinates(z[:, :1], z[:3, :1]), np.stack([z[:3, 0], np.zeros(3)], axis=1))
    assert coordinates(z, z[:7]).shape == (7, 2)
