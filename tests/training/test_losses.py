"""Loss terms against numbers worked out by hand, or by scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from model_store.manifest import Likelihood
from model_store.scoring import kl_per_dimension as scored_kl
from model_store.scoring import nll_per_item
from training.losses import (
    Bernoulli,
    ContinuousBernoulli,
    DoublyReparameterised,
    Gaussian,
    beta_at,
    importance_weighted_bound,
    in_form,
    kl_per_dimension,
    kl_with_free_bits,
    log_prior_ratio,
    sample_posterior,
)
from training.tensorflow_import import import_tensorflow

tf = import_tensorflow()
RNG = np.random.default_rng(3)
X = RNG.uniform(size=(4, 3, 2)).astype(np.float32)
LOGITS = RNG.normal(size=(4, 3, 2)).astype(np.float32)


def test_kl_of_a_standard_normal_is_zero_and_of_others_as_by_hand() -> None:
    # N(1, 1): ½ · 1²; N(0, e²): ½ (e² - 2 - 1).
    kl = kl_per_dimension(tf.constant([[0.0, 1.0, 0.0]]), tf.constant([[0.0, 0.0, 2.0]]))
    np.testing.assert_allclose(kl, [[0.0, 0.5, (math.e**2 - 3) / 2]], rtol=1e-6)


def test_kl_is_what_the_service_computes() -> None:
    z_mean, z_log_var = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(kl_per_dimension(z_mean, z_log_var), scored_kl(z_mean, z_log_var), rtol=1e-5)


def test_bernoulli_nll_is_what_scipy_and_the_service_say() -> None:
    error = Bernoulli().item_error(X, LOGITS)
    p = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    np.testing.assert_allclose(error, -(X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(error, nll_per_item(X, p, Likelihood(kind="bernoulli")), rtol=1e-5)
    ones = Bernoulli().item_error(tf.ones((1, 2)), tf.constant([[0.0, 0.0]]))
    np.testing.assert_allclose(ones, [2 * math.log(2)], rtol=1e-6)
    assert float(Bernoulli().nll(tf.constant(7.0), 6)) == 7.0


def test_gaussian_nll_with_a_set_sigma_is_scipys() -> None:
    likelihood = Gaussian(0.3, "linear")
    nll = likelihood.nll(tf.reduce_mean(likelihood.item_error(X, LOGITS)), 6)
    expected = -stats.norm.logpdf(X, LOGITS, 0.3).sum(axis=(1, 2)).mean()
    assert float(nll) == pytest.approx(expected, rel=1e-5)
    assert float(nll) == pytest.approx(nll_per_item(X, LOGITS, Likelihood(kind="gaussian", sigma=0.3)).mean(), rel=1e-5)


def test_gaussian_with_a_sigmoid_compares_in_the_images_range() -> None:
    error = Gaussian(1.0, "sigmoid").item_error(tf.ones((1, 2)), tf.constant([[0.0, 0.0]]))
    np.testing.assert_allclose(error, [2 * 0.25])


def test_the_optimal_sigma_is_the_best_of_all() -> None:
    mean_error = tf.reduce_mean(Gaussian(None, "linear").item_error(X, LOGITS))
    optimal = float(Gaussian(None, "linear").nll(mean_error, 6))
    sigma = math.sqrt(float(mean_error) / 6)
    assert optimal == pytest.approx(float(Gaussian(sigma, "linear").nll(mean_error, 6)), rel=1e-6)
    for other in (0.9 * sigma, 1.1 * sigma):
        assert optimal < float(Gaussian(other, "linear").nll(mean_error, 6))
    # A perfect fit stops at sigma 0.001 a value: ½ log(2π · 1e-6).
    assert float(Gaussian(None, "linear").nll(tf.constant(0.0), 1)) == pytest.approx(
        0.5 * math.log(2 * math.pi * 1e-6), rel=1e-5
    )


def test_free_bits_count_no_dimension_below_their_number() -> None:
    kl = tf.constant([[0.0, 2.0], [0.2, 4.0]])  # means 0.1 and 3
    assert float(kl_with_free_bits(kl, 0.0)) == pytest.approx(3.1)
    assert float(kl_with_free_bits(kl, 0.5)) == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("kl_warmup", "expected"),
    [(0.0, [2.0, 2.0, 2.0, 2.0]), (0.5, [1.0, 2.0, 2.0, 2.0]), (1.0, [0.5, 1.0, 1.5, 2.0])],
)
def test_beta_rises_over_a_share_of_the_epochs(kl_warmup: float, expected: list[float]) -> None:
    assert [beta_at(epoch, epochs=4, beta=2.0, kl_warmup=kl_warmup) for epoch in range(4)] == expected


def test_posterior_samples_have_their_mean_and_deviation_and_follow_from_the_seed() -> None:
    z_mean, z_log_var = tf.fill((20_000, 1), 3.0), tf.fill((20_000, 1), 2 * math.log(0.5))
    z = sample_posterior(z_mean, z_log_var, tf.constant([1, 2])).numpy()
    assert z.mean() == pytest.approx(3.0, abs=0.02)
    assert z.std() == pytest.approx(0.5, abs=0.02)  # exp(z_log_var / 2), not exp(z_log_var)
    np.testing.assert_array_equal(z, sample_posterior(z_mean, z_log_var, tf.constant([1, 2])))
    assert not np.array_equal(z, sample_posterior(z_mean, z_log_var, tf.constant([1, 3])))


def test_continuous_bernoulli_nll_is_what_the_service_computes_and_a_density() -> None:
    logits = np.concatenate([LOGITS, 0.01 * LOGITS, 30.0 * LOGITS]).astype(np.float32)  # also where λ is near ½
    x = np.tile(X, (3, 1, 1))
    error = ContinuousBernoulli().item_error(x, logits)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    np.testing.assert_allclose(
        error[:8], nll_per_item(x, p, Likelihood(kind="continuous_bernoulli"))[:8], rtol=1e-5, atol=1e-6
    )
    assert np.isfinite(error).all()
    grid = (np.arange(2000, dtype=np.float32)[:, None] + 0.5) / 2000
    density = np.exp(-ContinuousBernoulli().item_error(grid, np.full((2000, 1), 1.7, np.float32)).numpy())
    assert density.mean() == pytest.approx(1.0, abs=1e-5)  # over [0, 1]; a Bernoulli's is below


def test_a_learned_sigma_is_the_likelihoods_own_variable() -> None:
    learned = Gaussian(None, "linear", tf.Variable(math.log(0.3)))
    mean_error = tf.reduce_mean(learned.item_error(X, LOGITS))
    assert float(learned.nll(mean_error, 6)) == pytest.approx(
        float(Gaussian(0.3, "linear").nll(mean_error, 6)), rel=1e-4
    )
    of_two_starts = Gaussian(None, "linear", tf.Variable([math.log(0.3), math.log(0.5)]))
    both = of_two_starts.nll(tf.stack([mean_error, mean_error]), 6).numpy()
    assert both[1] == pytest.approx(float(Gaussian(0.5, "linear").nll(mean_error, 6)), rel=1e-4)


def test_the_tutorials_forms_are_the_nats_moved_and_scaled() -> None:
    squared = Gaussian(math.sqrt(0.5), "linear")
    error = tf.reduce_mean(squared.item_error(X, LOGITS))  # 6 · mse
    loss = squared.nll(error, 6) + 1.25
    assert float(in_form(loss, "784*mse + kl", 6)) == pytest.approx(float(error) + 1.25, rel=1e-5)
    assert float(in_form(tf.constant(24.0), "(784*bce + kl) / (2*784)", 6)) == 2.0
    assert float(in_form(tf.constant(24.0), "nats", 6)) == 24.0


def test_the_importance_weighted_bound_is_the_log_of_the_mean_weight() -> None:
    # Weights 1 and 3: log 2. One weight is its own log. A bound of two is above the mean of its logs.
    assert float(importance_weighted_bound(tf.math.log([[1.0], [3.0]]))[0]) == pytest.approx(math.log(2), rel=1e-6)
    assert float(importance_weighted_bound(tf.constant([[-7.5]]))[0]) == -7.5


def encoder_gradients(k: int, *, doubly: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of the bound of p(z) = N(0, 1), p(x | z) = N(z, 1) at x = 1, for q = N(0.2, 0.6): 20,000 draws of (d mean,
    d log var), their means and their deviations."""
    draws = 20_000
    z_mean, z_log_var = tf.fill((draws, 1), 0.2), tf.fill((draws, 1), math.log(0.6))
    with tf.GradientTape() as tape:
        tape.watch([z_mean, z_log_var])
        means, log_vars = (tf.repeat(part[None], k, axis=0) for part in (z_mean, z_log_var))
        z = sample_posterior(means, log_vars, tf.constant([1, 2]))
        if doubly:
            gradient = DoublyReparameterised()
            z = gradient.pass_on(z)
            means, log_vars = tf.stop_gradient(means), tf.stop_gradient(log_vars)
        log_weights = -0.5 * tf.square(1.0 - z[..., 0]) - log_prior_ratio(z, means, log_vars)
        if doubly:
            gradient.weigh(log_weights)
        bound = tf.reduce_sum(importance_weighted_bound(log_weights))
    gradients = tf.concat(tape.gradient(bound, [z_mean, z_log_var]), axis=1).numpy()
    return gradients.mean(axis=0), gradients.std(axis=0)


def test_the_doubly_reparameterised_gradient_is_the_bounds_with_less_noise() -> None:
    plain, plain_noise = encoder_gradients(8, doubly=False)
    doubly, noise = encoder_gradients(8, doubly=True)
    np.testing.assert_allclose(doubly, plain, atol=4 * np.hypot(noise, plain_noise).max() / math.sqrt(20_000))
    assert (noise < 0.5 * plain_noise).all()


def test_log_prior_ratio_is_scipys_and_averages_to_the_kl() -> None:
    z_mean, z_log_var = tf.constant([[0.5, -1.0]]), tf.constant([[-1.0, 0.3]])
    z = sample_posterior(tf.tile(z_mean, (50_000, 1)), tf.tile(z_log_var, (50_000, 1)), tf.constant([4, 5]))
    ratio = log_prior_ratio(z, z_mean, z_log_var).numpy()
    deviation = np.exp(0.5 * z_log_var.numpy())
    expected = (stats.norm.logpdf(z, z_mean, deviation) - stats.norm.logpdf(z)).sum(axis=1)
    np.testing.assert_allclose(ratio[:100], expected[:100], rtol=1e-4, atol=1e-4)
    assert ratio.mean() == pytest.approx(float(tf.reduce_sum(kl_per_dimension(z_mean, z_log_var))), abs=0.02)
