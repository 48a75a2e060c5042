"""Diagnosis of a run: rules from measured numbers to findings in words; no arrays here.

Each rule answers a finding, which says what was measured, what it means and which setting to change, or None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.config import TrainConfig

Kind = Literal["overfitting", "posterior_collapse", "unused_dimensions", "sigma", "far_from_prior", "folded", "torn"]

OVERFITTING_RATIO = 2.0
CERTAIN_ERRORS = 3.0
"""A difference counts from this many standard errors: few held-out items differ by chance."""
COLLAPSED_KL_NATS = 0.05
SIGMA_RATIO = 1.5
PRIOR_GAP_NATS = 1.0
PRIOR_GAP_NATS_PER_DIMENSION = 0.25
MONOTONE_RHO = 0.95
MOSTLY_BINARY = 0.5


@dataclass(frozen=True)
class Symptoms:
    """Measured numbers of a run; None if the model or the data have no such number."""

    train_mse: float
    """Mean squared error per element, decoded from z_mean, of training items without augmentation or input noise."""
    test_mse: float
    mse_error: float
    """Standard error of test_mse - train_mse."""
    latent_dim: int
    active_units: int
    kl: float | None = None
    """Mean kl in nats per item; None for deterministic codes, as are the next two."""
    prior_gap: float | None = None
    """Mean log density of held-out codes under the fitted mixture, less that under N(0, I): nats per code."""
    residual: float | None = None
    """Root mean squared error per element of held-out items, decoded from posterior samples."""
    sigma: float | None = None
    """Standard deviation of a Gaussian likelihood."""
    binary_share: float = 1.0
    """Share of the training values within 0.02 of 0 or 1."""
    code_rho: float | None = None
    """|Spearman correlation| of a 1-d code with the order of the items along the curve that they lie on."""
    code_pieces: int = 1
    """Number of pieces of the curve along which the code does not jump."""


@dataclass(frozen=True)
class Finding:
    """One finding: what is wrong or worth knowing, and which settings to change."""

    kind: Kind
    text: str
    settings: tuple[str, ...]
    """What to change: keys as `--set` takes them, or a field of a request."""


def diagnose(symptoms: Symptoms, config: TrainConfig) -> list[Finding]:
    """Apply every rule; the gravest finding comes first. After a collapse, other findings about codes are left out."""
    collapsed = posterior_collapse(symptoms, config)
    sigma = sigma_miscalibrated(symptoms, config)
    if collapsed is not None:
        return [finding for finding in (collapsed, sigma) if finding is not None]
    found = (
        overfitting(symptoms),
        sigma,
        folded_manifold(symptoms, config),
        far_from_prior(symptoms, config),
        unused_dimensions(symptoms),
    )
    return [finding for finding in found if finding is not None]


def overfitting(symptoms: Symptoms) -> Finding | None:
    """Find overfitting: held-out items have twice the error of training items or more, and not by chance."""
    train, test = symptoms.train_mse, symptoms.test_mse
    if test < OVERFITTING_RATIO * train or test - train <= CERTAIN_ERRORS * symptoms.mse_error:
        return None
    times = "many times" if train == 0 or test / train > 100 else f"{test / train:.1f} times"
    return Finding(
        "overfitting",
        f"Overfitting: the squared error is {train:.3g} on training items and {test:.3g} on held-out ones, {times} as"
        " much: the network has learnt its items by heart. More data help most; else fewer training.epochs, a smaller"
        " model.hidden or latent.dim, or model.dropout.",
        ("training.epochs", "model.hidden", "latent.dim", "model.dropout"),
    )


def posterior_collapse(symptoms: Symptoms, config: TrainConfig) -> Finding | None:
    """Find posterior collapse: the posterior of every item is the prior, so no dimension is active or kl is near 0."""
    kl = symptoms.kl
    if kl is None or (symptoms.active_units > 0 and kl >= COLLAPSED_KL_NATS):
        return None
    remedies: dict[str, str] = {}
    likelihood, objective = config.likelihood, config.objective
    freed = _freed(config)
    if symptoms.sigma is None and symptoms.binary_share < MOSTLY_BINARY:
        remedies["likelihood.kind"] = (
            "values that are neither 0 nor 1 are measured too bluntly by a cross-entropy:"
            f" likelihood.kind=gaussian with likelihood.sigma=optimal{freed}"
        )
    elif symptoms.sigma is not None and isinstance(likelihood.sigma, float):
        remedies["likelihood.sigma"] = (
            f"with sigma fixed at {symptoms.sigma:.3g} it costs next to nothing to say nothing:"
            f" likelihood.sigma=optimal{freed}"
        )
    if objective.beta > 1:
        remedies["objective.beta"] = f"beta is {objective.beta:g}: objective.beta=1"
    if objective.kl_warmup < 0.5:
        remedies["objective.kl_warmup"] = (
            "the kl weighs in before the decoder has learnt to listen: objective.kl_warmup=0.5"
        )
    if not remedies:
        remedies["training.restarts"] = "a start can be unlucky: training.restarts=24"
    return Finding(
        "posterior_collapse",
        f"Posterior collapse: the codes carry {kl:.2g} nats an item and {symptoms.active_units} of"
        f" {symptoms.latent_dim} dimensions are in use, so every item is decoded to the same. "
        + _sentence("; ".join(remedies.values())),
        tuple(remedies),
    )


def unused_dimensions(symptoms: Symptoms) -> Finding | None:
    """Find dimensions of the code that do not vary."""
    unused = symptoms.latent_dim - symptoms.active_units
    if unused <= 0:
        return None
    variational = symptoms.kl is not None
    return Finding(
        "unused_dimensions",
        f"{unused} of {symptoms.latent_dim} code dimensions {'is' if unused == 1 else 'are'} not in use: a code of"
        f" {symptoms.active_units} (latent.dim) would do as well"
        + ("; objective.free_bits keeps more of them in use." if variational else "."),
        ("latent.dim", "objective.free_bits") if variational else ("latent.dim",),
    )


def sigma_miscalibrated(symptoms: Symptoms, config: TrainConfig) -> Finding | None:
    """Find a Gaussian's sigma that is 1.5 times too large or too small for the residuals, and not by chance.

    It matters only where it weighs a kl.
    """
    sigma, residual = symptoms.sigma, symptoms.residual
    if sigma is None or residual is None or config.objective.full_beta == 0:
        return None
    if residual > 0 and 1 / SIGMA_RATIO <= sigma / residual <= SIGMA_RATIO:
        return None
    if abs(sigma**2 - residual**2) <= CERTAIN_ERRORS * symptoms.mse_error:
        return None
    fixed = isinstance(config.likelihood.sigma, float)
    # A sigma that was fitted to training items is too small for others where the network has learnt those by heart.
    advice = f"Set likelihood.sigma=optimal{_freed(config)}." if fixed else "More data help, or a smaller model.hidden."
    meaning = (
        "errors are made to look cheap, and the kl wins"
        if sigma > residual
        else "errors are made to look dear, and the codes' noise too small"
    )
    return Finding(
        "sigma",
        f"The likelihood's sigma is {sigma:.3g} and what it describes, the deviation that is left over on held-out"
        f" items, {residual:.3g}: {meaning}. {advice}",
        ("likelihood.sigma",) if fixed else ("model.hidden",),
    )


def far_from_prior(symptoms: Symptoms, config: TrainConfig) -> Finding | None:
    """Find codes that N(0, I) does not describe, so that its samples are unlikely items."""
    gap = symptoms.prior_gap
    if gap is None or gap <= prior_gap_allowed(symptoms.latent_dim):
        return None
    objective = config.objective
    advice = f"objective.beta={2 * objective.beta:g}" if objective.beta >= 1 else "objective.beta=1"
    if not objective.kl:
        advice = "objective.kl=true"
    return Finding(
        "far_from_prior",
        f"The codes are {gap:.3g} nats away from the prior N(0, I): what is sampled from it falls where few items"
        f" are. Sample with prior=fitted, or train with {advice}.",
        ("prior", advice.partition("=")[0]),
    )


def prior_gap_allowed(latent_dim: int) -> float:
    """Allowed distance of the codes' distribution from N(0, I) in nats; it grows with the dimensions."""
    return max(PRIOR_GAP_NATS, PRIOR_GAP_NATS_PER_DIMENSION * latent_dim)


def folded_manifold(symptoms: Symptoms, config: TrainConfig) -> Finding | None:
    """Find a 1-d code that does not follow the curve of the items: it jumps, or turns back."""
    rho = symptoms.code_rho
    if rho is None or rho >= MONOTONE_RHO:
        return None
    settings = {"training.restarts": "training.restarts=24, of which the best by ELBO is kept"}
    if symptoms.kl is None:
        settings = {"training.seed": "another training.seed", "model.hidden": "a larger model.hidden"}
    elif config.objective.full_beta == 0:
        key = "objective.beta=1" if config.objective.kl else "objective.kl=true"
        settings = {key.partition("=")[0]: f"{key}, which makes neighbours overlap"} | settings
    torn = symptoms.code_pieces > 1
    how = (
        f"the code tears the curve into {symptoms.code_pieces} pieces and lays them out in another order"
        if torn
        else "the code folds the curve, so that one code stands for two places"
    )
    return Finding(
        "torn" if torn else "folded",
        f"The items lie on a curve, but {how} (Spearman |ρ| of code and curve {rho:.2f}): a line in code space"
        f" is no walk along the data. Try {'; '.join(settings.values())}.",
        tuple(settings),
    )


def _freed(config: TrainConfig) -> str:
    """Settings to change together with the likelihood, if the loss has a form that fixes it."""
    return "" if config.objective.form == "nats" else " and objective.form=nats"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
