"""Diagnosis rules: each one on both sides of its boundary, with its advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

import training
from training.diagnosis import Symptoms, diagnose, prior_gap_allowed

CLEAN = Symptoms(
    train_mse=0.010,
    test_mse=0.011,
    mse_error=0.0002,
    latent_dim=16,
    active_units=16,
    kl=15.0,
    prior_gap=3.0,
    residual=0.11,
    sigma=None,
)
DETERMINISTIC = Symptoms(train_mse=0.010, test_mse=0.011, mse_error=0.0002, latent_dim=1, active_units=1)
ON_A_CURVE = replace(CLEAN, latent_dim=1, active_units=1, kl=3.0, prior_gap=0.3, code_rho=0.999)
VAE = training.load_recipe("mnist-vae-mlp")
AE = training.load_recipe("mnist-ae")


def vae(settings: dict[str, str]) -> training.TrainConfig:
    return training.configure("mnist-vae-mlp", settings=settings)


def found(symptoms: Symptoms, config: training.TrainConfig = VAE) -> list[str]:
    return [finding.kind for finding in diagnose(symptoms, config)]


def only(symptoms: Symptoms, config: training.TrainConfig = VAE) -> training.Finding:
    (finding,) = diagnose(symptoms, config)
    return finding


@pytest.mark.parametrize("symptoms", [CLEAN, ON_A_CURVE])
def test_nothing_is_said_of_a_good_model(symptoms: Symptoms) -> None:
    assert found(symptoms) == []


@pytest.mark.parametrize(
    ("test_mse", "error", "overfitting"),
    [(0.0199, 0.0001, False), (0.0201, 0.0001, True), (0.0201, 0.0034, False), (0.0201, 0.0033, True)],
)
def test_overfitting_is_twice_the_error_beyond_chance(test_mse: float, error: float, *, overfitting: bool) -> None:
    symptoms = replace(DETERMINISTIC, train_mse=0.01, test_mse=test_mse, mse_error=error)
    assert found(symptoms, AE) == ["overfitting"] * overfitting


def test_overfitting_gives_both_errors() -> None:
    finding = only(replace(DETERMINISTIC, train_mse=0.0002, test_mse=0.005), AE)
    assert "0.0002 on training items and 0.005 on held-out ones, 25.0 times as much" in finding.text
    assert finding.settings[0] == "training.epochs"
    assert "many times as much" in only(replace(DETERMINISTIC, train_mse=0.0, test_mse=0.005), AE).text


@pytest.mark.parametrize(
    ("active_units", "kl", "collapsed"), [(0, 3.0, True), (1, 0.049, True), (1, 0.05, False), (16, 0.051, False)]
)
def test_collapse_is_no_dimension_in_use_or_no_kl(active_units: int, kl: float, *, collapsed: bool) -> None:
    assert ("posterior_collapse" in found(replace(CLEAN, active_units=active_units, kl=kl))) == collapsed


def test_collapse_explains_whatever_else_the_codes_show() -> None:
    collapsed = replace(ON_A_CURVE, kl=0.0, active_units=0, code_rho=0.1, prior_gap=9.0)
    assert found(collapsed) == ["posterior_collapse"]


@pytest.mark.parametrize(
    ("settings", "symptoms", "change"),
    [
        ({}, {"binary_share": 0.88}, ("objective.kl_warmup",)),
        ({}, {"binary_share": 0.49}, ("likelihood.kind", "objective.kl_warmup")),
        (
            {"likelihood.kind": "gaussian", "likelihood.sigma": "0.7"},
            {"sigma": 0.7, "residual": 0.6, "binary_share": 0.1},
            ("likelihood.sigma", "objective.kl_warmup"),
        ),
        ({"objective.beta": "4"}, {}, ("objective.beta", "objective.kl_warmup")),
        ({"objective.kl_warmup": "0.5"}, {}, ("training.restarts",)),
    ],
)
def test_collapse_names_the_cause(
    settings: dict[str, str], symptoms: dict[str, float], change: tuple[str, ...]
) -> None:
    collapsed = replace(CLEAN, active_units=0, kl=0.001, **symptoms)  # type: ignore[arg-type]
    finding = only(collapsed, vae(settings))
    assert finding.settings == change
    assert "0.001 nats an item and 0 of 16 dimensions" in finding.text


@pytest.mark.parametrize(
    ("sigma", "residual", "wrong"),
    [(0.149, 0.1, False), (0.151, 0.1, True), (0.067, 0.1, False), (0.066, 0.1, True), (0.1, 0.0, True)],
)
def test_sigma_is_right_within_half(sigma: float, residual: float, *, wrong: bool) -> None:
    assert found(replace(CLEAN, sigma=sigma, residual=residual)) == ["sigma"] * wrong


@pytest.mark.parametrize(("error", "wrong"), [(0.0101, False), (0.0099, True)])
def test_a_few_items_are_no_proof_of_a_wrong_sigma(error: float, *, wrong: bool) -> None:
    # 0.2² - 0.1² = 0.03 = 3 · 0.01
    assert found(replace(CLEAN, sigma=0.2, residual=0.1, mse_error=error)) == ["sigma"] * wrong


def test_sigma_matters_only_beside_a_kl() -> None:
    ill = replace(CLEAN, sigma=0.7, residual=0.2)
    assert found(ill, vae({"objective.kl": "false"})) == []
    assert found(ill, vae({"objective.beta": "0.0"})) == []
    assert only(ill, vae({"likelihood.sigma": "0.7", "likelihood.kind": "gaussian"})).settings == ("likelihood.sigma",)
    assert only(ill).settings == ("model.hidden",)


def test_sigma_says_which_way_it_is_wrong() -> None:
    assert "the kl wins" in only(replace(CLEAN, sigma=0.7, residual=0.2)).text
    assert "errors are made to look dear" in only(replace(CLEAN, sigma=0.1, residual=0.2)).text


@pytest.mark.parametrize(("latent_dim", "allowed"), [(1, 1.0), (2, 1.0), (4, 1.0), (16, 4.0), (50, 12.5)])
def test_codes_may_be_a_quarter_nat_a_dimension_from_the_prior(latent_dim: int, allowed: float) -> None:
    assert prior_gap_allowed(latent_dim) == allowed
    near = replace(CLEAN, latent_dim=latent_dim, active_units=latent_dim, prior_gap=allowed)
    assert found(near) == []
    assert found(replace(near, prior_gap=allowed + 0.01)) == ["far_from_prior"]


@pytest.mark.parametrize(("beta", "advice"), [("0", "objective.beta=1."), ("1.5", "objective.beta=3.")])
def test_codes_far_from_the_prior_are_sampled_otherwise(beta: str, advice: str) -> None:
    finding = only(replace(CLEAN, prior_gap=40.0), vae({"objective.beta": beta}))
    assert "40 nats" in finding.text
    assert "prior=fitted" in finding.text
    assert finding.text.endswith(advice)


@pytest.mark.parametrize(
    ("active_units", "words"),
    [(15, "1 of 16 code dimensions is not in use: a code of 15"), (6, "10 of 16 code dimensions are not in use")],
)
def test_unused_dimensions_are_counted(active_units: int, words: str) -> None:
    finding = only(replace(CLEAN, active_units=active_units))
    assert finding.text.startswith(words)
    assert finding.settings == ("latent.dim", "objective.free_bits")


def test_a_dead_unit_of_a_deterministic_code() -> None:
    finding = only(replace(DETERMINISTIC, latent_dim=32, active_units=31), AE)
    assert finding.settings == ("latent.dim",)


@pytest.mark.parametrize(
    ("rho", "pieces", "kind"),
    [(0.95, 1, None), (0.949, 1, "folded"), (0.949, 2, "torn"), (0.3, 3, "torn"), (0.99, 2, None)],
)
def test_a_curve_is_unrolled_folded_or_torn(rho: float, pieces: int, kind: str | None) -> None:
    assert found(replace(ON_A_CURVE, code_rho=rho, code_pieces=pieces)) == [kind][: kind is not None]


def test_a_torn_curve_counts_its_pieces_and_asks_for_restarts() -> None:
    torn = replace(ON_A_CURVE, code_rho=0.31, code_pieces=3)
    finding = only(torn)
    assert "tears the curve into 3 pieces" in finding.text
    assert "0.31" in finding.text
    assert finding.settings == ("training.restarts",)
    assert only(torn, vae({"objective.beta": "0"})).settings == ("objective.beta", "training.restarts")
    assert only(replace(torn, kl=None), AE).settings == ("training.seed", "model.hidden")


def test_the_gravest_comes_first() -> None:
    ill = replace(ON_A_CURVE, latent_dim=2, test_mse=0.05, sigma=0.7, code_rho=0.2, prior_gap=30.0)
    assert found(ill) == ["overfitting", "sigma", "folded", "far_from_prior", "unused_dimensions"]


def test_the_advice_fits_a_loss_whose_form_fixes_sigma() -> None:
    ill = replace(CLEAN, sigma=0.707, residual=0.19, binary_share=0.1)
    mse = training.load_recipe("mnist-vae-mse")
    assert only(ill, mse).text.endswith("Set likelihood.sigma=optimal and objective.form=nats.")
    training.configure("mnist-vae-mse", settings={"likelihood.sigma": "optimal", "objective.form": "nats"})
