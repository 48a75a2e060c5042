"""Symptoms: measures of curves, codes and priors, on arrays with known results."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, spearmanr

import training
from model_store.prior import Mixture
from training.data.sine import load_sine
from training.symptoms import along_curve, curve_order, log_density, spread, standard_normal


def test_the_order_along_a_noisy_curve_is_found() -> None:
    dataset = load_sine()
    order = curve_order(dataset.inputs.astype(np.float64))
    assert order is not None
    assert abs(spearmanr(order, np.arange(1000)).statistic) > 0.998
    assert dataset.curve is not None
    length = np.linalg.norm(np.diff(dataset.curve, axis=0), axis=1).sum()
    assert np.ptp(order) == pytest.approx(length, rel=0.1)


def test_what_is_no_curve_has_no_order() -> None:
    rng = np.random.default_rng(0)
    angle = np.linspace(0.0, 2 * np.pi, 300, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert curve_order(rng.normal(size=(500, 2))) is None
    assert curve_order(rng.normal(size=(500, 10))) is None
    assert curve_order(ring) is None
    assert curve_order(np.concatenate([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 100.0])) is None
    assert curve_order(np.zeros((50, 2))) is None


def test_tears_and_folds_along_a_curve() -> None:
    order = np.linspace(0.0, 7.0, 300)
    noise = np.random.default_rng(0).normal(0.0, 0.01, 300)
    rho, pieces = along_curve(-3.0 * order + noise, order)
    assert rho > 0.999
    assert pieces == 1
    thirds = np.concatenate([order[:100] + 4.0, order[100:200] - 2.0, order[200:] - 10.0])
    rho, pieces = along_curve(thirds + noise, order)
    assert (round(rho, 1), pieces) == (0.8, 3)
    rho, pieces = along_curve(np.abs(order - 3.5) + noise, order)
    assert rho < 0.05
    assert pieces == 1
    assert along_curve(np.ones(300), order) == (0.0, 1)


def test_densities_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(20, 3)).astype(np.float32)
    np.testing.assert_allclose(
        log_density(standard_normal(3), z), multivariate_normal(np.zeros(3), np.eye(3)).logpdf(z), rtol=1e-6
    )
    root = rng.normal(size=(2, 3, 3))
    covariances = root @ root.transpose(0, 2, 1) + np.eye(3)
    means = rng.normal(size=(2, 3))
    mixture = Mixture(np.array([0.3, 0.7]), means, covariances)
    each = [multivariate_normal(m, c).pdf(z) for m, c in zip(means, covariances, strict=True)]
    np.testing.assert_allclose(log_density(mixture, z), np.log(0.3 * each[0] + 0.7 * each[1]), rtol=1e-6)
    without_weight = Mixture(np.array([0.0, 1.0]), means, covariances)
    np.testing.assert_allclose(log_density(without_weight, z), np.log(each[1]), rtol=1e-6)


def test_a_sorted_source_is_looked_at_from_end_to_end() -> None:
    assert spread(np.arange(1000), 3).tolist() == [0, 499, 999]
    assert spread(np.arange(4), 10).tolist() == [0, 1, 2, 3]


def test_a_run_is_diagnosed(table_run: training.TrainResult) -> None:
    """Two hidden numbers in 13 columns: the two dimensions of the code find them."""
    document = (table_run.report / "diagnosis.json").read_text(encoding="utf-8")
    assert '"active_units": 2' in document
    assert not {finding.kind for finding in table_run.findings} & {"posterior_collapse", "unused_dimensions"}
