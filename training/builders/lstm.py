"""An LSTM reads a sequence into a vector, another writes it out again (Srivastava et al. 2015, arXiv:1502.04681)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from training.builders.base import Code, Networks, SymbolicTensor, code_heads, join, networks
from training.sections import LatentConfig, Section


class Lstm(Section):
    """Encoder LSTM to one vector; the code, repeated at every step, through a decoder LSTM."""

    builder: Literal["lstm"] = "lstm"
    units: PositiveInt = Field(128, description="of the LSTM in each half")

    @property
    def family(self) -> str:
        """The network's part of the manifest's `family`."""
        return "lstm"

    def refuses(self, shape: tuple[int, ...], latent: LatentConfig) -> str | None:  # noqa: ARG002 - others ask
        """Say why this network cannot train on items of a shape, or None if it can."""
        return None if len(shape) == 2 else "an LSTM needs sequences (steps, features); for images set input.kind"

    def build(self, shape: tuple[int, ...], latent: LatentConfig, classes: int = 0) -> Networks:
        """Build both networks for sequences (steps, features)."""
        import keras

        layers = keras.layers

        def encode(x: SymbolicTensor, labels: SymbolicTensor | None) -> Code:
            return code_heads(join(layers.LSTM(self.units)(x), labels), latent)

        def decode(z: SymbolicTensor, labels: SymbolicTensor | None) -> SymbolicTensor:
            steps = layers.RepeatVector(shape[0])(join(z, labels))
            return layers.TimeDistributed(layers.Dense(shape[1], name="logits"))(
                layers.LSTM(self.units, return_sequences=True)(steps)
            )

        return networks(shape, latent, classes, encode, decode)
