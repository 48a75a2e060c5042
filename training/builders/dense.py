"""Fully connected layers, for vectors and (flattened) images alike."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from training.builders.base import Code, Networks, SymbolicTensor, code_heads, networks
from training.sections import LatentConfig, Section


class Dense(Section):
    """`hidden` layers down to the code, and the same back up."""

    builder: Literal["dense"] = "dense"
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (256,)
    activation: Literal["relu", "tanh", "elu", "silu"] = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1, description="after each hidden layer, in both halves")] = 0.0

    @property
    def family(self) -> str:
        """For the manifest's `family`."""
        return "dense"

    def refuses(self, shape: tuple[int, ...]) -> str | None:  # noqa: ARG002 - others refuse
        """Why items of this shape cannot be trained on: nothing that is flattened can't."""
        return None

    def build(self, shape: tuple[int, ...], latent: LatentConfig) -> Networks:
        """For items of `shape`."""
        import keras

        def hidden(features: SymbolicTensor, widths: tuple[int, ...]) -> SymbolicTensor:
            for width in widths:
                features = keras.layers.Dense(width, activation=self.activation)(features)
                if self.dropout:
                    features = keras.layers.Dropout(self.dropout)(features)
            return features

        def encode(x: SymbolicTensor) -> Code:
            return code_heads(hidden(keras.layers.Flatten()(x), self.hidden), latent)

        def decode(z: SymbolicTensor) -> SymbolicTensor:
            flat = keras.layers.Dense(math.prod(shape))(hidden(z, self.hidden[::-1]))
            return keras.layers.Reshape(shape)(flat)

        return networks(shape, latent, encode, decode)
