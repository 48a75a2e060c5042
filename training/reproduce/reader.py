"""A small classifier of real items, which reads labels off samples; its hidden layer gives Fréchet features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from training.data.dataset import Labels

Array = NDArray[Any]

_HIDDEN = 128
_EPOCHS = 15
_BATCH = 200


@dataclass(frozen=True)
class Reader:
    """A perceptron with one hidden layer of 128 ReLU units (scikit-learn), trained on items (n, *shape)."""

    classifier: Any

    @classmethod
    def trained(cls, x: Float32, labels: Labels, *, seed: int = 0) -> Reader:
        """Train on x (n, *shape) and class indices (n,); the same seed gives the same classifier."""
        from sklearn.neural_network import MLPClassifier

        classifier = MLPClassifier(
            (_HIDDEN,), batch_size=min(_BATCH, len(x)), learning_rate_init=2e-3, random_state=seed
        )
        rng = np.random.default_rng(seed)
        for _ in range(_EPOCHS):
            order = rng.permutation(len(x))
            classifier.partial_fit(_flat(x)[order], labels[order], classes=np.unique(labels))
        return cls(classifier)

    def read(self, x: Array) -> Labels:
        """Classify items: (n, *shape) -> class indices (n,)."""
        return np.asarray(self.classifier.predict(_flat(x)), np.int64)

    def share_read_as(self, x: Array, labels: Labels) -> float:
        """Share of items (n, *shape) that are classified as `labels` (n,)."""
        return float((self.read(x) == labels).mean())

    def features(self, x: Array) -> Float32:
        """Outputs of the hidden layer: (n, *shape) -> (n, 128)."""
        hidden = _flat(x) @ self.classifier.coefs_[0] + self.classifier.intercepts_[0]
        return np.asarray(np.maximum(hidden, 0.0), np.float32)


def _flat(x: Array) -> Float32:
    return np.asarray(x, np.float32).reshape(len(x), -1)
