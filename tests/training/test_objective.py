"""The training objective with known weights: noise on the input, and the terms of the loss."""

from __future__ import annotations

import numpy as np
import pytest

import training
from model_store.manifest import Likelihood
from model_store.scoring import kl_per_item, nll_per_item
from training.autoencoder import build
from training.config import TrainConfig
from training.data.dataset import Dataset
from training.inputs import Prepared, prepare
from training.objective import Objective, step_seed
from training.tensorflow_import import import_tensorflow

tf = import_tensorflow()
RNG = np.random.default_rng(8)
PICTURES = Dataset("p", RNG.integers(0, 256, (80, 6, 5, 1), dtype=np.uint8))
SEED = (3, 4)


def objective(recipe: str, settings: dict[str, str]) -> tuple[Objective, Prepared, TrainConfig]:
    config = training.configure(recipe, settings=settings)
    data = prepare(PICTURES, config)
    return Objective(build(config, data), config, data.spec.value_range), data, config


def test_noise_goes_into_the_input_and_stays_in_the_value_range() -> None:
    own, data, _ = objective("mnist-vae-mlp", {"corrupt.noise": "0.5"})
    x = tf.constant(data.train.x)
    noisy = own.corrupted(x, tf.constant(SEED)).numpy()
    assert (noisy.min(), noisy.max()) == (0.0, 1.0)
    inside = (noisy > 0) & (noisy < 1)
    middle = np.abs(data.train.x - 0.5) < 0.1  # clipped on both sides alike: |noise| < 1 deviation, mean 0
    assert (noisy - data.train.x)[inside & middle].mean() == pytest.approx(0.0, abs=0.03)
    assert inside[middle].mean() == pytest.approx(0.68, abs=0.05)
    np.testing.assert_array_equal(noisy, own.corrupted(x, tf.constant(SEED)))
    np.testing.assert_array_equal(own.look(x, tf.constant(SEED)), x)  # the target stays clean


def test_binarised_items_are_drawn_anew_and_have_their_grey_value_as_mean() -> None:
    own, data, _ = objective("mnist-vae-binary", {"model.hidden": "[4]", "latent.dim": "2"})
    x = tf.constant(data.train.x)
    looks = np.stack([own.look(x, step_seed(0, 0, step)).numpy() for step in range(200)])
    assert set(np.unique(looks)) == {0.0, 1.0}
    assert not np.array_equal(looks[0], looks[1])
    np.testing.assert_allclose(looks.mean(axis=0), data.train.x, atol=0.2)  # 200 draws: over five standard errors
    assert looks.mean() == pytest.approx(data.train.x.mean(), abs=0.005)


def test_the_loss_is_nll_plus_beta_kl_as_the_service_counts_them() -> None:
    own, data, _ = objective("mnist-vae-mlp", {"model.dropout": "0.0", "model.hidden": "[4]"})
    x = data.train.x
    outcome = own.outcome(tf.constant(x), None, 0.5, tf.constant(SEED), training=False)
    z_mean, z_log_var = own.model.encode_array(x)
    assert z_log_var is not None
    assert float(outcome.kl) == pytest.approx(kl_per_item(z_mean, z_log_var).mean(), rel=1e-4)
    assert float(outcome.loss) == pytest.approx(float(outcome.nll) + 0.5 * float(outcome.kl), rel=1e-6)
    at_the_means = nll_per_item(x, own.model.decode_array(z_mean), Likelihood(kind="bernoulli")).mean()
    assert float(outcome.nll) == pytest.approx(at_the_means, rel=0.1)


def test_more_samples_tighten_the_bound_and_leave_the_terms() -> None:
    losses = {}
    for samples in (1, 5, 50):
        settings = {"objective.samples": str(samples), "objective.samples_from": "0", "model.hidden": "[8]"}
        own, data, _ = objective("mnist-iwae", settings)
        outcome = own.outcome(tf.constant(data.train.x), None, 1.0, tf.constant(SEED), training=False)
        losses[samples] = float(outcome.loss)
        # z_log_var is 0 at the start, so the kl is that of the means alone.
        assert float(outcome.kl) == pytest.approx(
            0.5 * np.square(own.model.encode_array(data.train.x)[0]).sum(1).mean(), rel=1e-4
        )
    assert losses[1] > losses[5] > losses[50]


def test_one_sample_of_several_is_the_elbo() -> None:
    own, data, _ = objective("mnist-iwae", {"model.hidden": "[8]"})
    outcome = own.of_one_sample().outcome(tf.constant(data.train.x), None, 1.0, tf.constant(SEED), training=False)
    assert float(outcome.loss) == pytest.approx(float(outcome.nll) + float(outcome.kl), rel=1e-6)


def test_the_price_on_the_code_stands_beside_the_mean_error_of_an_element() -> None:
    free, data, _ = objective("mnist-deep-ae-16", {"model.hidden": "[8]"})
    priced, _, _ = objective("mnist-sparse-ae-16", {"model.hidden": "[8]", "objective.l1_activity": "0.01"})
    x = tf.constant(data.train.x)
    outcomes = [own.outcome(x, None, 0.0, tf.constant(SEED), training=False) for own in (free, priced)]
    size = np.abs(free.model.encode_array(data.train.x)[0]).sum(axis=1).mean()
    difference = float(outcomes[1].loss) - float(outcomes[0].loss)
    assert difference / 30 == pytest.approx(0.01 * size, rel=1e-3)  # 6 x 5 elements


def test_the_outputs_bias_starts_from_the_mean() -> None:
    _, data, config = objective("mnist-vae-binary", {"model.hidden": "[4]", "latent.dim": "2"})
    outputs = build(config, data).decode_array(np.zeros((1, 2), np.float32))[0]
    np.testing.assert_allclose(outputs, data.train.x.mean(axis=0), atol=0.01)


def test_a_kl_that_is_off_weighs_nothing() -> None:
    assert training.load_recipe("scurve-vae-kl-off").objective.full_beta == 0.0
    assert training.load_recipe("scurve-vae-sigma").objective.full_beta == 1.0
