"""Fully connected layers, for vectors and (flattened) images alike."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from training.builders.base import Code, Networks, SymbolicTensor, affine, code_heads, join, networks
from training.sections import Activation, LatentConfig, Section


class Dense(Section):
    """`hidden` layers down to the code, and the same back up."""

    builder: Literal["dense"] = "dense"
    hidden: tuple[PositiveInt, ...] = Field((256,), description="widths down to the code; none: straight to it")
    activation: Activation = "relu"
    decoder_activation: Activation | None = Field(None, description="of the way up; unset: the same")
    batch_norm: bool = Field(default=False, description="after each hidden layer, in both halves")
    dropout: Annotated[float, Field(ge=0, lt=1, description="after each hidden layer, in both halves")] = 0.0

    @property
    def family(self) -> str:
        """The network's part of the manifest's `family`."""
        return "dense"

    @property
    def stackable(self) -> bool:
        """Whether several starts can train side by side in one network: batch norm and dropout would mix them."""
        return not self.batch_norm and self.dropout == 0

    def refuses(self, shape: tuple[int, ...], latent: LatentConfig) -> str | None:  # noqa: ARG002 - others refuse
        """Return None: items of every shape can be flattened and trained on."""
        return None

    def build(
        self, shape: tuple[int, ...], latent: LatentConfig, classes: int = 0, starts: int | None = None
    ) -> Networks:
        """Build both networks for items of `shape`; with `starts` several networks in one, see `Networks`."""
        import keras

        def hidden(features: SymbolicTensor, widths: tuple[int, ...], activation: Activation) -> SymbolicTensor:
            for width in widths:
                features = affine(features, width, starts, activation=activation)
                if self.batch_norm:
                    features = keras.layers.BatchNormalization()(features)
                if self.dropout:
                    features = keras.layers.Dropout(self.dropout)(features)
            return features

        def encode(x: SymbolicTensor, labels: SymbolicTensor | None) -> Code:
            features = join(keras.layers.Flatten()(x), labels)
            return code_heads(hidden(features, self.hidden, self.activation), latent, starts)

        def decode(z: SymbolicTensor, labels: SymbolicTensor | None) -> SymbolicTensor:
            features = hidden(join(z, labels), self.hidden[::-1], self.decoder_activation or self.activation)
            flat = affine(features, math.prod(shape), starts, name="logits")
            return keras.layers.Reshape(shape if starts is None else (starts, *shape))(flat)

        return networks(shape, latent, classes, encode, decode, starts)
