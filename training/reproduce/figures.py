"""All figures of one row: the report's, and those that only some systems have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_store.arrays import Float32
from model_store.scoring import bce_per_item, mse_per_item
from training.config import TrainConfig
from training.inputs import Prepared, Split
from training.reproduce.generation import frechet_figures
from training.reproduce.importance import importance_nll
from training.reproduce.measures import (
    distances_to_curve,
    order_kept,
    positions_on_curve,
    principal_angle_deg,
    rms,
)
from training.reproduce.reader import Reader
from training.reproduce.served import Served

HIGHER_IS_BETTER = frozenset(
    {"elbo", "iw_bound_500", "knn_accuracy", "label_accuracy", "style_accuracy", "spearman", "active_units"}
)
"""Figures where more is better; for all others less is better."""

_TRAIN_ITEMS = 10_000
_CURVE_QUANTILES = (0.005, 0.995)
_CURVE_POINTS = 1000
_SAMPLES_A_LABEL = 500
_STYLES = 200
_BOUND_SAMPLES = 500


@dataclass(frozen=True)
class Effort:
    """Sizes of the measurements: more items and samples are more exact and slower."""

    importance_samples: int
    importance_items: int
    """Number of items, the first ones of the test split."""


FULL = Effort(importance_samples=5000, importance_items=10_000)
QUICK = Effort(importance_samples=20, importance_items=20)


def measure(served: Served, data: Prepared, config: TrainConfig, effort: Effort) -> dict[str, float]:
    """Figure -> value, on the test split where no other is named.

    The report's figures, and where they mean something: train_bce and train_mse (of the first 10,000 training items
    at the mean of their code); train_to_test_mse (their ratio to the test's); of a linear decoder principal_angle_deg
    (to PCA, degrees) and mse_to_pca (the ratio); rms_to_curve (of the decoded 1-d manifold between the 0.5 % and 99.5 %
    quantiles of the training codes, in the data's units); spearman (|ρ| of the place on the curve and the codes, of
    several dimensions their first principal component) and rms (of the reconstruction); nll_is (nats per item, by
    importance samples) and nll_is_error (its standard error); of our own VAEs iw_bound_500 (nats, 500 importance
    samples), frechet and pca_frechet; label_accuracy and style_accuracy (shares of samples and of style transfers that
    a classifier trained on real items reads as the label that was asked for) and reader_accuracy (of that classifier on
    the test items).
    """
    figures = dict(served.manifest.metrics) | _on_training_items(served, data)
    if config.published is not None and config.published.metric == "nll_is":
        figures |= _importance(served, data, effort, config.published.importance_samples)
    if _is_our_own(config) and served.manifest.latent.distribution == "gaussian" and data.train.labels is not None:
        figures |= _bound(served, data, effort)
        figures |= frechet_figures(served, data.train.x, data.train.labels, data.test.x)
    if config.model.builder == "linear":
        figures["principal_angle_deg"] = _principal_angle(served, data)
        figures["mse_to_pca"] = figures["mse"] / figures["pca_mse"]
    if data.curve is not None:
        figures |= _along_the_curve(served, data, data.curve)
    if served.manifest.input.conditional and data.train.labels is not None:
        figures |= _as_asked(served, data)
    return figures


def _on_training_items(served: Served, data: Prepared) -> dict[str, float]:
    x, labels = _first(data.train, _TRAIN_ITEMS)
    outputs = served.reconstruct(x, labels)
    mse = float(mse_per_item(x, outputs).mean())
    figures = {"train_mse": mse, "train_to_test_mse": mse / max(served.manifest.metrics["mse"], 1e-12)}
    if data.spec.value_range is not None:
        figures["train_bce"] = float(bce_per_item(x, outputs).mean())
    return figures


def _importance(served: Served, data: Prepared, effort: Effort, samples: int) -> dict[str, float]:
    x, _ = _first(data.test, effort.importance_items)
    nll = importance_nll(served, x, samples=min(samples, effort.importance_samples))
    return {"nll_is": float(nll.mean()), "nll_is_error": float(nll.std(ddof=1) / np.sqrt(len(nll)))}


def _is_our_own(config: TrainConfig) -> bool:
    """Tell whether no source gives figure or settings; such a VAE of ours is measured more fully."""
    published = config.published
    return published is not None and published.value is None and published.epochs is None


def _bound(served: Served, data: Prepared, effort: Effort) -> dict[str, float]:
    x, _ = _first(data.test, effort.importance_items)
    nll = importance_nll(served, x, samples=min(_BOUND_SAMPLES, effort.importance_samples))
    return {"iw_bound_500": -float(nll.mean())}


def _principal_angle(served: Served, data: Prepared) -> float:
    dim = served.manifest.latent.dim
    ends = served.decode(np.concatenate([np.zeros((1, dim)), np.eye(dim)]).astype(np.float32)).reshape(dim + 1, -1)
    flat = data.train.x.reshape(len(data.train), -1).astype(np.float64)
    _, _, components = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    return principal_angle_deg(ends[1:] - ends[0], components[:dim])


def _along_the_curve(served: Served, data: Prepared, curve: Float32) -> dict[str, float]:
    """Measure the distance to the data's known curve; such data are not standardised, so the units agree."""
    test, train_codes, codes = data.test.x, served.encode(data.train.x)[0], served.encode(data.test.x)[0]
    _, _, directions = np.linalg.svd(train_codes - train_codes.mean(axis=0), full_matrices=False)
    figures = {
        "rms": rms(served.decode(codes) - test),
        "spearman": order_kept(codes @ directions[0], positions_on_curve(test, curve)),
    }
    if served.manifest.latent.dim == 1:
        low, high = np.quantile(train_codes, _CURVE_QUANTILES)
        manifold = served.decode(np.linspace(low, high, _CURVE_POINTS, dtype=np.float32)[:, None])
        figures["rms_to_curve"] = rms(distances_to_curve(manifold, curve))
    return figures


def _as_asked(served: Served, data: Prepared) -> dict[str, float]:
    """Measure how well labels are obeyed, in samples at temperature 1 and in test items decoded as every label."""
    if data.train.labels is None or data.test.labels is None:
        return {}
    reader = Reader.trained(data.train.x, data.train.labels)
    classes = len(served.manifest.input.class_names or ())
    asked = np.repeat(np.arange(classes), _SAMPLES_A_LABEL)
    z = np.random.default_rng(0).standard_normal((len(asked), served.manifest.latent.dim)).astype(np.float32)
    styles, own = _first(data.test, _STYLES)
    z_mean = np.repeat(served.encode(styles, own)[0], classes, axis=0)
    wanted = np.tile(np.arange(classes), len(styles))
    return {
        "label_accuracy": reader.share_read_as(served.decode(z, asked), asked),
        "style_accuracy": reader.share_read_as(served.decode(z_mean, wanted), wanted),
        "reader_accuracy": reader.share_read_as(data.test.x, data.test.labels),
    }


def _first(split: Split, items: int) -> tuple[Float32, np.ndarray[tuple[int], np.dtype[np.int64]] | None]:
    return split.x[:items], None if split.labels is None else split.labels[:items]
