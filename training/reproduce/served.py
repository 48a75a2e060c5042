"""A published version as a client sees it: its two SavedModels, for any number of items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from model_store.arrays import Float32
from model_store.manifest import Manifest
from model_store.verify import DECODER, ENCODER, scan_halves
from training.data.dataset import Labels
from training.tensorflow_import import import_tensorflow

Tensor = Any

_BATCH = 500


@dataclass(frozen=True)
class Served:
    """The version in `directory`. `labels` (n,) are class indices, for conditional models and no others."""

    directory: Path
    manifest: Manifest

    def encode(self, x: Float32, labels: Labels | None = None) -> tuple[Float32, Float32 | None]:
        """Encode x (n, *shape): z_mean and z_log_var, each (n, d), or a deterministic code and None."""
        parts = [self.encode_tensor(batch, given) for batch, given in self._batches(x, labels)]
        means, log_vars = zip(*parts, strict=True)
        return _joined(means), None if log_vars[0] is None else _joined(log_vars)

    def decode(self, z: Float32, labels: Labels | None = None) -> Float32:
        """Decode codes (n, d) to outputs (n, *shape)."""
        return _joined([self.decode_tensor(batch, given) for batch, given in self._batches(z, labels)])

    def reconstruct(self, x: Float32, labels: Labels | None = None) -> Float32:
        """Reconstruct x (n, *shape) from the mean of its code."""
        return self.decode(self.encode(x, labels)[0], labels)

    def encode_tensor(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encode one batch of tensors; `labels` are one-hot (n, classes)."""
        given = {} if labels is None else {"labels": labels}
        codes = self._signatures[ENCODER](x=x, **given)
        return (codes["z"], None) if "z" in codes else (codes["z_mean"], codes["z_log_var"])

    def encode_gaussian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encode one batch with a Gaussian model: z_mean and z_log_var."""
        codes = self._signatures[ENCODER](x=x)
        return codes["z_mean"], codes["z_log_var"]

    def decode_tensor(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Decode one batch of tensors; `labels` are one-hot (n, classes)."""
        given = {} if labels is None else {"labels": labels}
        return self._signatures[DECODER](z=z, **given)["outputs"]

    @cached_property
    def _modules(self) -> dict[str, Any]:
        tf = import_tensorflow()
        loaded = {}
        for half, artefact in zip((ENCODER, DECODER), scan_halves(self.directory, self.manifest.files), strict=True):
            with artefact.opened_for_tensorflow() as scanned:
                loaded[half] = tf.saved_model.load(str(scanned))
        return loaded

    @cached_property
    def _signatures(self) -> dict[str, Any]:
        return {half: module.signatures["serving_default"] for half, module in self._modules.items()}

    def _batches(self, items: Float32, labels: Labels | None) -> Iterator[tuple[Tensor, Tensor | None]]:
        tf = import_tensorflow()
        classes = len(self.manifest.input.class_names or ())
        for i in range(0, len(items), _BATCH):
            given = None
            if self.manifest.input.conditional and labels is not None:
                given = tf.one_hot(labels[i : i + _BATCH], classes)
            yield tf.constant(items[i : i + _BATCH]), given


def _joined(parts: Any) -> Float32:  # noqa: ANN401 - a sequence of tensors
    return np.concatenate([part.numpy() for part in parts])
