"""Shared input of all parts of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_store.arrays import Float32
from model_store.manifest import ImageInput, VectorInput
from model_store.prior import Mixture
from training.autoencoder import Autoencoder
from training.data.dataset import Labels
from training.evaluate import Evaluation
from training.inputs import Prepared


@dataclass(frozen=True)
class Context:
    """A trained model with its data, its evaluation and its fitted prior."""

    model: Autoencoder
    data: Prepared
    evaluation: Evaluation
    prior: Mixture
    seed: int

    @property
    def columns(self) -> Sequence[str]:
        """Names of a vector's columns."""
        spec = self.data.spec
        named = spec.preprocess.columns if isinstance(spec, VectorInput) and spec.preprocess is not None else None
        return named or [f"x[{i}]" for i in range(spec.shape[0])]

    def every_label(self, n: int) -> Labels | None:
        """Make labels (n,) that go through all classes in turn, for a conditional model; else None."""
        return np.arange(n) % self.model.classes if self.model.classes else None

    def pictures(self, arrays: Float32) -> Float32:
        """Convert items to images: (…, h, w, c) unchanged, sequences (…, steps, f) as grey images scaled to [0, 1]."""
        spec = self.data.spec
        if isinstance(spec, ImageInput):
            return arrays
        x = self.data.train.x
        low, high = spec.value_range or (float(x.min()), float(x.max()))
        return np.asarray((arrays[..., None] - low) / (high - low or 1.0), np.float32)

    def samples(self, n: int) -> tuple[Float32, str]:
        """Decode n samples (n, *shape) from the default prior of the service; also return its name."""
        labels = self.every_label(n)
        rng = np.random.default_rng(self.seed)
        mixture = self.prior
        noise = rng.standard_normal((n, self.model.latent_dim))
        if self.model.gaussian:
            return self.model.decode_array(noise.astype(np.float32), labels), "the prior N(0, I)"
        component = rng.choice(len(mixture.weights), n, p=mixture.weights)
        z = mixture.means[component] + np.einsum("nij,nj->ni", mixture.factors[component], noise)
        return self.model.decode_array(z.astype(np.float32), labels), "the mixture fitted to the codes"
