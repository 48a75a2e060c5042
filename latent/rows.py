"""Answers as rows, one an item: what each format of a file holds of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import CommandError
from model_store.manifest import Manifest, VectorInput

Array = NDArray[Any]
Columns = list[tuple[str, Array]]


@dataclass(frozen=True)
class Rows:
    """Of n items, from `start` on."""

    main: Array
    """What a .npy holds: (n, …), or n records with named fields."""
    text: Columns
    """Of a CSV: each (n,)."""
    typed: Columns
    """Of a Parquet: each (n,), or (n, d) for lists of d."""
    start: int = 0
    files: list[str] | None = None
    """Where each item comes from, where the data set says."""
    labels: list[str] | None = None
    """The class of each item, where the data set says."""

    def __len__(self) -> int:
        return len(self.main)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Of a row of `main`; the number of its fields where it is a record."""
        return self.main.shape[1:] if self.main.dtype.names is None else (len(self.main.dtype.names),)


def code_rows(z: Array, z_mean: Array, z_log_var: Array | None) -> Rows:
    """Codes (n, d): z_0, z_1 … in text, lists in Parquet, where a drawn `z` stands beside its `z_mean`."""
    typed = [] if z is z_mean else [("z", z)]
    typed += [("z_mean", z_mean)] + ([] if z_log_var is None else [("z_log_var", z_log_var)])
    return Rows(z, [(f"z_{at}", z[:, at]) for at in range(z.shape[1])], typed)


def output_rows(outputs: Array, manifest: Manifest, leading: Columns | None = None) -> Rows:
    """Items (n, …) as a user has them, after `leading` columns; pictures and sequences have no columns of their own."""
    columns = [*(leading or []), *_features(outputs, manifest)] if is_tabular(manifest) else []
    return Rows(outputs, columns, columns)


def score_rows(
    outputs: Array,
    manifest: Manifest,
    *,
    mse: Array,
    nll: Array | None,
    kl: Array | None,
    elbo: Array | None,
    percentile: Array,
    is_anomaly: Array,
) -> Rows:
    """Scores (n,) of reconstructed items: records of them in .npy, columns in tables, after a table's own columns."""
    named = [("mse", mse), ("nll", nll), ("kl", kl), ("elbo", elbo), ("percentile", percentile)]
    scores = [(name, values) for name, values in named if values is not None]
    records = np.empty(len(mse), [*((name, np.float64) for name, _ in scores), ("is_anomaly", np.bool_)])
    for name, values in (*scores, ("is_anomaly", is_anomaly)):
        records[name] = values
    features = _features(outputs, manifest) if is_tabular(manifest) else []
    return Rows(
        records,
        [*features, *scores, ("is_anomaly", is_anomaly.astype(np.int64))],
        [*features, *scores, ("is_anomaly", is_anomaly)],
    )


def is_tabular(manifest: Manifest) -> bool:
    """Whether an item is a row of a table."""
    return isinstance(manifest.input, VectorInput)


def require_tabular(manifest: Manifest) -> None:
    """Raise CommandError where an item is no row of a table."""
    if not is_tabular(manifest):
        raise CommandError(f"{manifest.name} answers {manifest.input.kind}s, which a table cannot hold: use .npy")


def _features(outputs: Array, manifest: Manifest) -> Columns:
    spec = manifest.input
    names = spec.preprocess.columns if isinstance(spec, VectorInput) and spec.preprocess is not None else None
    return list(zip(names or (f"x_{at}" for at in range(spec.shape[0])), outputs.T, strict=True))
