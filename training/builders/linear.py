"""One affine map each way: with a squared error it spans the principal subspace (Baldi & Hornik 1989)."""

from __future__ import annotations

import math
from typing import Literal

from training.builders.base import Code, Networks, SymbolicTensor, affine, code_heads, join, networks
from training.sections import LatentConfig, Section


class Linear(Section):
    """No hidden layer, no activation."""

    builder: Literal["linear"] = "linear"

    @property
    def family(self) -> str:
        """The network's part of the manifest's `family`."""
        return "linear"

    def refuses(self, shape: tuple[int, ...], latent: LatentConfig) -> str | None:  # noqa: ARG002 - others refuse
        """Return None: items of every shape can be flattened and trained on."""
        return None

    def build(self, shape: tuple[int, ...], latent: LatentConfig, classes: int = 0) -> Networks:
        """Build both networks for items of `shape`."""
        import keras

        def encode(x: SymbolicTensor, labels: SymbolicTensor | None) -> Code:
            return code_heads(join(keras.layers.Flatten()(x), labels), latent)

        def decode(z: SymbolicTensor, labels: SymbolicTensor | None) -> SymbolicTensor:
            return keras.layers.Reshape(shape)(affine(join(z, labels), math.prod(shape), name="logits"))

        return networks(shape, latent, classes, encode, decode)
