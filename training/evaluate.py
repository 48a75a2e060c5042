"""Evaluation on the test split, beside PCA with the same number of dimensions; works on arrays only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from model_store.arrays import Float32
from model_store.manifest import Likelihood as LikelihoodRecord
from model_store.scoring import bce_per_item, kl_per_item, mse_per_item, nll_per_item
from training.autoencoder import Autoencoder
from training.config import LikelihoodConfig, TrainConfig
from training.data.dataset import Labels
from training.errors import Diverged
from training.inputs import Prepared, Split
from training.losses import MIN_VARIANCE, Bernoulli, ContinuousBernoulli

ACTIVE_VARIANCE = 0.01
NEIGHBOURS = 5
_NOISE_STREAM, _CORRUPTION_STREAM = 0x5A, 0x5B


@dataclass(frozen=True)
class Codes:
    """Codes of one split's n items."""

    z_mean: Float32
    """(n, d); the code itself where it is deterministic."""
    z_log_var: Float32 | None
    """(n, d), Gaussian codes only."""
    z: Float32
    """(n, d): one sample of each posterior; the code itself where it is deterministic."""


@dataclass(frozen=True)
class Evaluation:
    """The report's figures, and the arrays behind them."""

    metrics: dict[str, float]
    likelihood: LikelihoodRecord
    train: Codes
    validation: Codes
    test: Codes
    test_outputs: Float32
    """The decoder's answer to the test split's z_mean: (n, *shape)."""
    noisy: Float32 | None = None
    """The test split with noise, if the recipe is a denoising one; always the same noise: (n, *shape)."""
    noisy_outputs: Float32 | None = None
    """Reconstructions of `noisy`: (n, *shape)."""

    @property
    def rows(self) -> dict[str, tuple[float | None, float | None]]:
        """Metric -> (model, PCA), None where PCA has none."""
        return {
            name: (value, self.metrics.get(f"pca_{name}"))
            for name, value in self.metrics.items()
            if not name.startswith("pca_")
        }


def evaluate(model: Autoencoder, data: Prepared, config: TrainConfig) -> Evaluation:
    """Compute the metrics on the test split, each only for models and data where it has a meaning.

    mse and (images) bce are means per element at z_mean; nll, kl and elbo = −(nll + kl) nats per item, with nll at
    one posterior sample an item, so that elbo is an unbiased estimate of the bound; active_units is the number of
    dimensions whose z_mean varies by more than 0.01 over the items (Burda et al. 2016, arXiv:1509.00519);
    knn_accuracy is that of the 5 nearest training codes. noisy_… are of a denoising recipe: noisy items in, held to
    the clean ones; everything else is of clean items. pca_… is PCA fitted to the training split.

    Raises Diverged where a loss was finite, but what comes out of the network is not.
    """
    train, validation, test = (
        _codes(model, split, config.training.seed, i)
        for i, split in enumerate((data.train, data.validation, data.test))
    )
    outputs = model.decode_array(test.z_mean, data.test.labels)
    if not all(np.isfinite(found).all() for found in (train.z, validation.z, test.z, outputs)):
        raise Diverged("the trained network's codes or outputs are no finite numbers; lower optimizer.learning_rate")
    # Nothing holds a deterministic code back from copying its training items: their error is no measure of sigma.
    fair, codes = (data.train, train) if train.z_log_var is not None else (data.validation, validation)
    likelihood = _likelihood_record(model, config.likelihood, fair, codes)
    x, labels = data.test.x, data.test.labels
    bounded = data.spec.value_range is not None
    metrics = _reconstruction(x, outputs, bounded=bounded)
    sampled = outputs if test.z_log_var is None else model.decode_array(test.z, labels)
    metrics["nll"] = float(nll_per_item(x, sampled, likelihood).mean())
    if test.z_log_var is not None:
        metrics["kl"] = float(kl_per_item(test.z_mean, test.z_log_var).mean())
        metrics["elbo"] = -(metrics["nll"] + metrics["kl"])
    metrics["active_units"] = float(active_units(test.z_mean))
    pca_train, pca_test, pca_outputs = pca(data.train.x, x, model.latent_dim)
    if data.train.labels is not None and labels is not None:
        metrics["knn_accuracy"] = knn_accuracy(train.z_mean, data.train.labels, test.z_mean, labels)
        metrics["pca_knn_accuracy"] = knn_accuracy(pca_train, data.train.labels, pca_test, labels)
    if bounded:
        pca_outputs = np.clip(pca_outputs, 0.0, 1.0)
    metrics |= {f"pca_{name}": value for name, value in _reconstruction(x, pca_outputs, bounded=bounded).items()}
    noisy = _noisy(data, config)
    noisy_outputs = None
    if noisy is not None:
        noisy_outputs = model.decode_array(model.encode_array(noisy, labels)[0], labels)
        restored = _reconstruction(x, noisy_outputs, bounded=bounded)
        metrics |= {f"noisy_{name}": value for name, value in restored.items()}
    return Evaluation(metrics, likelihood, train, validation, test, outputs, noisy, noisy_outputs)


def active_units(z_mean: Float32) -> int:
    """Count the dimensions of codes (n, d) with a variance above 0.01."""
    return int((z_mean.astype(np.float64).var(axis=0) > ACTIVE_VARIANCE).sum())


def knn_accuracy(codes: Float32, labels: Labels, test_codes: Float32, test_labels: Labels) -> float:
    """Share of test codes (m, d) whose label the 5 nearest of the codes (n, d) vote for."""
    from sklearn.neighbors import KNeighborsClassifier

    classifier = KNeighborsClassifier(min(NEIGHBOURS, len(codes)), algorithm="brute")
    return float(classifier.fit(codes, labels).score(test_codes, test_labels))


def pca(x: Float32, x_test: Float32, dimensions: int) -> tuple[Float32, Float32, Float32]:
    """Principal components of x (n, …): its scores (n, k), those of x_test (m, k), and x_test rebuilt (m, …).

    k is `dimensions`, or as many as there are.
    """
    from sklearn.decomposition import PCA

    flat, flat_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
    fitted = PCA(min(dimensions, *flat.shape), random_state=0).fit(flat)
    scores, test_scores = fitted.transform(flat), fitted.transform(flat_test)
    return scores, test_scores, fitted.inverse_transform(test_scores).astype(np.float32).reshape(x_test.shape)


def _codes(model: Autoencoder, split: Split, seed: int, stream: int) -> Codes:
    z_mean, z_log_var = model.encode_array(split.x, split.labels)
    if z_log_var is None:
        return Codes(z_mean, None, z_mean)
    noise = np.random.default_rng((seed, _NOISE_STREAM, stream)).standard_normal(z_mean.shape, np.float32)
    return Codes(z_mean, z_log_var, z_mean + np.exp(0.5 * z_log_var) * noise)


def _noisy(data: Prepared, config: TrainConfig) -> Float32 | None:
    if not config.corrupt.noise:
        return None
    x = data.test.x
    rng = np.random.default_rng((config.training.seed, _CORRUPTION_STREAM))
    noisy = x + np.float32(config.corrupt.noise) * rng.standard_normal(x.shape, np.float32)
    return noisy if data.spec.value_range is None else np.clip(noisy, *data.spec.value_range)


def _likelihood_record(model: Autoencoder, options: LikelihoodConfig, split: Split, codes: Codes) -> LikelihoodRecord:
    """The manifest's likelihood; sigma is learned, set, or the best one for this split's items and samples."""
    if isinstance(model.likelihood, Bernoulli):
        return LikelihoodRecord(kind="bernoulli")
    if isinstance(model.likelihood, ContinuousBernoulli):
        return LikelihoodRecord(kind="continuous_bernoulli")
    if model.sigma is not None:
        return LikelihoodRecord(kind="gaussian", sigma=model.sigma)
    if isinstance(options.sigma, float):
        return LikelihoodRecord(kind="gaussian", sigma=options.sigma)
    mse = float(mse_per_item(split.x, model.decode_array(codes.z, split.labels)).mean())
    return LikelihoodRecord(kind="gaussian", sigma=math.sqrt(max(mse, MIN_VARIANCE)))


def _reconstruction(x: Float32, outputs: Float32, *, bounded: bool) -> dict[str, float]:
    metrics = {"mse": float(mse_per_item(x, outputs).mean())}
    if bounded:
        metrics["bce"] = float(bce_per_item(x, outputs).mean())
    return metrics
