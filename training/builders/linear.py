"""One affine map each way: with a squared error it spans the principal subspace (Baldi & Hornik 1989)."""

from __future__ import annotations

import math
from typing import Literal

from training.builders.base import Code, Networks, SymbolicTensor, code_heads, networks
from training.sections import LatentConfig, Section


class Linear(Section):
    """No hidden layer, no activation."""

    builder: Literal["linear"] = "linear"

    @property
    def family(self) -> str:
        """For the manifest's `family`."""
        return "linear"

    def refuses(self, shape: tuple[int, ...]) -> str | None:  # noqa: ARG002 - others refuse
        """Why items of this shape cannot be trained on: nothing that is flattened can't."""
        return None

    def build(self, shape: tuple[int, ...], latent: LatentConfig) -> Networks:
        """For items of `shape`."""
        import keras

        def encode(x: SymbolicTensor) -> Code:
            return code_heads(keras.layers.Flatten()(x), latent)

        def decode(z: SymbolicTensor) -> SymbolicTensor:
            return keras.layers.Reshape(shape)(keras.layers.Dense(math.prod(shape))(z))

        return networks(shape, latent, encode, decode)
