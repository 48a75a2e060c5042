"""The verbs on a chunk of a data set: the same numbers as the service's, as rows of a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latent.bulk.engine import BulkModel
from latent.bulk.inputs import Fit, codes_of, items_of
from latent.bulk.labels import Condition
from latent.datasets import Chunk
from latent.errors import CommandError
from latent.rows import Rows, code_rows, output_rows, score_rows
from model_store import scoring
from model_store.arrays import Float32
from model_store.manifest import Manifest, VectorInput
from model_store.preprocess import output_to_user

Array = NDArray[Any]


class Verb(Protocol):
    """A verb on chunks of a data set. It is called by several threads at once."""

    def __call__(self, chunk: Chunk) -> Rows:
        """Answer a chunk of at most `batch` items. Raises CommandError that names the first bad item."""


@dataclass(frozen=True)
class Encode:
    """Encode items to codes: z_mean, or a deterministic code."""

    model: BulkModel
    path: Path
    condition: Condition
    fit: Fit | None = None
    invert: bool = False

    def __call__(self, chunk: Chunk) -> Rows:
        """Rows with `z_mean` (n, d): CSV has z_0, z_1 …, Parquet has `z_mean` and `z_log_var` as lists."""
        x = items_of(chunk, self.path, self.model.manifest, self.fit, invert=self.invert)
        posterior = self.model.encode(x, self.condition.of(chunk))
        z = posterior.z_mean
        require_finite(z, chunk, self.path)
        if posterior.z_log_var is not None:
            require_finite(posterior.z_log_var, chunk, self.path)
        return _known(code_rows(z, z, posterior.z_log_var), chunk)


@dataclass(frozen=True)
class Decode:
    """Decode codes to items."""

    model: BulkModel
    path: Path
    condition: Condition

    def __call__(self, chunk: Chunk) -> Rows:
        """Rows with `outputs` (n, …) in the user's form: in the value range, or in the table's own units."""
        z = codes_of(chunk, self.path, self.model.manifest)
        outputs = self.model.decode(z, self.condition.of(chunk))
        require_finite(outputs, chunk, self.path)
        return _known(output_rows(_to_user(outputs, chunk, self), self.model.manifest), chunk)


@dataclass(frozen=True)
class Reconstruct:
    """Reconstruct items from z_mean and score them: the error of each, and whether it is an anomaly."""

    model: BulkModel
    path: Path
    condition: Condition
    target: Condition
    threshold: float
    """Mean squared error above which an item is an anomaly."""
    fit: Fit | None = None
    invert: bool = False

    def __call__(self, chunk: Chunk) -> Rows:
        """Rows with the scores of each item; for a table, after the reconstructed columns.

        mse in the network's units; nll, kl and elbo = -(nll + kl) in nats at z_mean, the latter two for Gaussian
        codes; percentile in [0, 100] among the held-out items.
        """
        manifest = self.model.manifest
        x = items_of(chunk, self.path, manifest, self.fit, invert=self.invert)
        posterior = self.model.encode(x, self.condition.of(chunk))
        require_finite(posterior.z_mean, chunk, self.path)
        decoded = self.model.decode(posterior.z_mean, self.target.of(chunk))
        require_finite(decoded, chunk, self.path)
        outputs = _to_user(decoded, chunk, self)
        reconstruction = decoded if isinstance(manifest.input, VectorInput) else outputs
        if posterior.z_log_var is not None:
            require_finite(posterior.z_log_var, chunk, self.path)
        scores = scoring.score_reconstructions(
            x, reconstruction, posterior.z_mean, posterior.z_log_var, manifest, self.threshold
        )
        rows = score_rows(
            outputs,
            manifest,
            mse=scores.mse,
            nll=scores.nll,
            kl=scores.kl,
            elbo=scores.elbo,
            percentile=scores.percentile,
            is_anomaly=scores.is_anomaly,
        )
        return _known(rows, chunk)


def anomaly_threshold(manifest: Manifest, threshold: float | None, quantile: float | None) -> float:
    """Choose the anomaly threshold: a given value, a given quantile of the held-out errors, or the manifest's.

    Raises CommandError for a value that is none.
    """
    if threshold is not None and quantile is not None:
        raise CommandError("--threshold and --quantile exclude each other")
    if threshold is not None and not (np.isfinite(threshold) and threshold >= 0):
        raise CommandError(f"--threshold must be at least 0, not {threshold:g}")
    if quantile is not None and not 0 <= quantile <= 1:
        raise CommandError(f"--quantile must be from 0 to 1, not {quantile:g}")
    return scoring.anomaly_threshold(manifest.anomaly, threshold, quantile)


def require_finite(answers: Array, chunk: Chunk, path: Path) -> None:
    """Raise CommandError for the first of n answers (n, …) that is not finite."""
    if np.isfinite(answers).all():
        return
    item = int((~np.isfinite(answers)).reshape(len(answers), -1).any(axis=1).argmax())
    raise CommandError(
        f"{path}, item {chunk.start + item}: the model's answer is no finite number"
        " (expected values near those that the model was trained on)"
    )


def _to_user(outputs: Float32, chunk: Chunk, verb: Decode | Reconstruct) -> Float32:
    with np.errstate(over="ignore"):
        answer = output_to_user(outputs, verb.model.manifest.input)
    require_finite(answer, chunk, verb.path)  # a table's units may make a number of it that float32 cannot hold
    return answer


def _known(rows: Rows, chunk: Chunk) -> Rows:
    return replace(rows, start=chunk.start, files=chunk.files, labels=chunk.labels)
