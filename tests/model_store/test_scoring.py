"""Every score against numbers worked out by hand, or by scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from model_store import ModelStore
from model_store.manifest import AnomalySpec, Likelihood
from model_store.scoring import (
    ANOMALY_LEVELS,
    anomaly_spec,
    anomaly_threshold,
    bce_per_item,
    kl_per_dimension,
    kl_per_item,
    mse_per_item,
    nll_per_item,
    percentile_of,
    score_reconstructions,
    squared_error,
    threshold_at,
)


def test_squared_error_and_its_mean() -> None:
    x, outputs = np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([[0.5, 0.0], [0.5, 0.25]])
    np.testing.assert_array_equal(squared_error(x, outputs), [[0.25, 1.0], [0.0, 0.0625]])
    np.testing.assert_array_equal(mse_per_item(x, outputs), [0.625, 0.03125])


def test_the_mean_is_over_all_axes_of_an_item() -> None:
    x = np.zeros((2, 2, 2, 1))
    outputs = np.stack([np.full((2, 2, 1), 1.0), np.full((2, 2, 1), 2.0)])
    np.testing.assert_array_equal(mse_per_item(x, outputs), [1.0, 4.0])


def test_small_errors_of_large_numbers_keep_their_digits() -> None:
    x = np.full((1, 1000), 1000.0, np.float32)
    outputs = x + np.float32(0.125)
    assert mse_per_item(x, outputs)[0] == 0.015625


def test_bernoulli_nll_is_the_summed_cross_entropy() -> None:
    x, outputs = np.array([[1.0, 0.0, 0.25]]), np.array([[0.5, 0.25, 0.75]])
    by_hand = math.log(2.0) + math.log(4.0 / 3.0) + 0.25 * math.log(4.0 / 3.0) + 0.75 * math.log(4.0)
    np.testing.assert_allclose(nll_per_item(x, outputs, Likelihood(kind="bernoulli")), [by_hand], rtol=1e-12)
    np.testing.assert_allclose(bce_per_item(x, outputs), [by_hand / 3.0], rtol=1e-12)


def test_bernoulli_nll_of_binary_pixels_is_scipys() -> None:
    rng = np.random.default_rng(0)
    x, p = rng.integers(0, 2, (5, 7)), rng.uniform(0.01, 0.99, (5, 7))
    expected = -stats.bernoulli.logpmf(x, p).sum(axis=1)
    np.testing.assert_allclose(nll_per_item(x, p, Likelihood(kind="bernoulli")), expected, rtol=1e-12)


def test_a_certain_and_wrong_pixel_costs_no_infinity() -> None:
    nll = nll_per_item(np.array([[1.0]]), np.array([[0.0]]), Likelihood(kind="bernoulli"))
    np.testing.assert_allclose(nll, [-math.log(1e-7)], rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 3.0])
def test_gaussian_nll_is_scipys(sigma: float) -> None:
    rng = np.random.default_rng(1)
    x, outputs = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2))
    expected = -stats.norm.logpdf(x, outputs, sigma).reshape(4, -1).sum(axis=1)
    np.testing.assert_allclose(nll_per_item(x, outputs, Likelihood(kind="gaussian", sigma=sigma)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "p", [1e-4, 0.1, 0.4, 0.49, 0.494, 0.4951, 0.499, 0.5 - 1e-7, 0.5, 0.5 + 1e-9, 0.503, 0.506, 0.7, 0.9999]
)
def test_the_continuous_bernoulli_density_integrates_to_one(p: float) -> None:
    likelihood = Likelihood(kind="continuous_bernoulli")

    def density(x: float) -> float:
        return math.exp(-nll_per_item(np.array([[x]]), np.array([[p]]), likelihood)[0])

    assert integrate.quad(density, 0.0, 1.0, epsabs=1e-12)[0] == pytest.approx(1.0, abs=1e-9)


def test_kl_by_hand_and_by_integration() -> None:
    assert kl_per_item(np.zeros((1, 3)), np.zeros((1, 3)))[0] == 0.0
    np.testing.assert_allclose(kl_per_item(np.array([[1.0, 2.0]]), np.zeros((1, 2))), [2.5])
    mean, log_var = 0.7, -1.3
    posterior = stats.norm(mean, math.exp(log_var / 2.0))
    integral = integrate.quad(
        lambda z: posterior.pdf(z) * (posterior.logpdf(z) - stats.norm.logpdf(z)), -8.0, 8.0, epsabs=1e-12
    )[0]
    np.testing.assert_allclose(kl_per_dimension(np.array([[mean]]), np.array([[log_var]])), [[integral]], rtol=1e-9)


@given(st.floats(-20, 20), st.floats(-20, 5))
def test_kl_is_never_negative(mean: float, log_var: float) -> None:
    assert kl_per_item(np.array([[mean]]), np.array([[log_var]]))[0] >= -1e-12


def test_anomaly_quantiles_and_threshold_are_numpys() -> None:
    errors = np.random.default_rng(2).gamma(2.0, 1.0, 777)
    spec = anomaly_spec(errors)
    assert spec.levels == ANOMALY_LEVELS
    np.testing.assert_allclose(spec.quantiles, np.quantile(errors, ANOMALY_LEVELS))
    assert spec.threshold == pytest.approx(np.quantile(errors, 0.99))
    assert spec.threshold_level == 0.99
    assert spec.quantiles[0] == errors.min()
    assert spec.quantiles[-1] == errors.max()
    np.testing.assert_allclose(
        [threshold_at(q, spec) for q in (0.25, 0.5, 0.95)], np.quantile(errors, [0.25, 0.5, 0.95])
    )


def test_percentiles_by_hand() -> None:
    spec = AnomalySpec(levels=(0.0, 0.5, 1.0), quantiles=(1.0, 2.0, 6.0), threshold=5.0, threshold_level=0.875)
    scores = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 6.0, 9.0])
    np.testing.assert_allclose(percentile_of(scores, spec), [0.0, 0.0, 25.0, 50.0, 62.5, 100.0, 100.0])
    assert threshold_at(0.875, spec) == 5.0
    assert threshold_at(0.0, spec) == 1.0


def test_percentiles_agree_with_scipys_within_one_step_of_the_levels() -> None:
    errors = np.random.default_rng(3).gamma(2.0, 1.0, 3000)
    scores = np.quantile(errors, [0.001, 0.1, 0.5, 0.9, 0.997])
    expected = [stats.percentileofscore(errors, score, kind="mean") for score in scores]
    np.testing.assert_allclose(percentile_of(scores, anomaly_spec(errors)), expected, atol=0.5)


def test_percentiles_of_equal_errors_stay_in_range() -> None:
    spec = anomaly_spec(np.full(10, 0.25))
    assert spec.threshold == 0.25
    percentiles = percentile_of(np.array([0.2, 0.25, 0.3]), spec)
    assert (percentiles[0], percentiles[2]) == (0.0, 100.0)
    assert 0.0 <= percentiles[1] <= 100.0


@pytest.mark.parametrize("n", [1, 100])  # 100 items of 1,000 elements are scored in several pieces
def test_a_reconstruction_has_every_score_of_its_own_and_in_order(affine_store: ModelStore, n: int) -> None:
    body = affine_store.manifest("image", 1)
    rng = np.random.default_rng(n)
    x, outputs = rng.random((n, 10, 100), np.float32), rng.random((n, 10, 100), np.float32)
    z_mean, z_log_var = rng.normal(size=(2, n, 3))
    threshold = float(np.median(mse_per_item(x, outputs)))
    scores = score_reconstructions(x, outputs, z_mean, z_log_var, body, threshold)
    nll, kl = nll_per_item(x, outputs, body.likelihood), kl_per_item(z_mean, z_log_var)
    np.testing.assert_array_equal(scores.mse, mse_per_item(x, outputs))
    np.testing.assert_array_equal(scores.nll, nll)
    assert scores.kl is not None
    assert scores.elbo is not None
    np.testing.assert_array_equal(scores.kl, kl)
    np.testing.assert_array_equal(scores.elbo, -(nll + kl))
    np.testing.assert_array_equal(scores.percentile, percentile_of(scores.mse, body.anomaly))
    assert int(scores.is_anomaly.sum()) == n // 2  # the threshold itself is no anomaly
    deterministic = score_reconstructions(x, outputs, z_mean, None, body, threshold)
    assert (deterministic.kl, deterministic.elbo) == (None, None)


def test_a_threshold_is_given_by_value_or_by_quantile_or_is_the_manifests() -> None:
    spec = AnomalySpec(levels=(0.0, 0.5, 1.0), quantiles=(1.0, 2.0, 6.0), threshold=5.0, threshold_level=0.875)
    assert [anomaly_threshold(spec, *given) for given in ((None, None), (0.0, None), (None, 0.5))] == [5.0, 0.0, 2.0]
