"""Answers as rows, one an item, with the columns of each file format."""

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
    """Rows of n items, from number `start` on, for every file format."""

    main: Array
    """What a .npy holds: (n, …), or n records with named fields."""
    text: Columns
    """Of a CSV: each (n,)."""
    typed: Columns
    """Of a Parquet: each (n,), or (n, d) for lists of d."""
    start: int = 0
    files: list[str] | None = None
    """File of each item, if the data set knows it."""
    labels: list[str] | None = None
    """Class of each item, if the data set knows it."""

    def __len__(self) -> int:
        return len(self.main)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one row of `main`; for a record, the number of its fields."""
        return self.main.shape[1:] if self.main.dtype.names is None else (len(self.main.dtype.names),)


def code_rows(z: Array, z_mean: Array, z_log_var: Array | None) -> Rows:
    """Make rows of codes (n, d): z_0, z_1 … in CSV, lists in Parquet, with a drawn `z` beside `z_mean`."""
    typed = [] if z is z_mean else [("z", z)]
    typed += [("z_mean", z_mean)] + ([] if z_log_var is None else [("z_log_var", z_log_var)])
    return Rows(z, [(f"z_{at}", z[:, at]) for at in range(z.shape[1])], typed)


def output_rows(outputs: Array, manifest: Manifest, leading: Columns | None = None) -> Rows:
    """Make rows of items (n, …) in the user's form, after `leading` columns; only table rows have columns."""
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
    """Make rows of scores (n,): records in .npy, columns in tables, after a table's own columns."""
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
    """Tell whether an item is a row of a table."""
    return isinstance(manifest.input, VectorInput)


def require_tabular(manifest: Manifest) -> None:
    """Raise CommandError unless an item is a row of a table."""
    if not is_tabular(manifest):
        raise CommandError(f"{manifest.name} answers {manifest.input.kind}s, which a table cannot hold: use .npy")


def _features(outputs: Array, manifest: Manifest) -> Columns:
    spec = manifest.input
    names = spec.preprocess.columns if isinstance(spec, VectorInput) and spec.preprocess is not None else None
    return list(zip(names or (f"x_{at}" for at in range(spec.shape[0])), outputs.T, strict=True))
