"""Strided convolutions down to a small map, a dense layer, and transposed convolutions back up."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from training.builders.base import Code, Networks, SymbolicTensor, code_heads, join, networks
from training.sections import Activation, LatentConfig, Section


class Convolutional(Section):
    """Each stage halves the map, rounding up, until its longer side is `map_size` or less."""

    builder: Literal["convolutional"] = "convolutional"
    filters: Annotated[
        tuple[PositiveInt, ...], Field(min_length=1, description="one a stage; the last serves all further stages")
    ] = (32, 64)
    map_size: Annotated[int, Field(ge=2)] = 8
    kernel: Annotated[int, Field(ge=2, le=9)] = 3
    dense: PositiveInt = Field(128, description="units between the smallest map and the code")
    activation: Activation = "relu"

    @property
    def family(self) -> str:
        """The network's part of the manifest's `family`."""
        return "convolutional"

    def refuses(self, shape: tuple[int, ...], latent: LatentConfig) -> str | None:  # noqa: ARG002 - others ask
        """Say why this network cannot train on items of a shape, or None if it can."""
        if len(shape) == 3:
            return None
        return f"convolutions need images, but the data are vectors of {shape[-1]} values"

    def build(self, shape: tuple[int, ...], latent: LatentConfig, classes: int = 0) -> Networks:
        """Build both networks for images (height, width, channels) of any size."""
        import keras

        layers = keras.layers
        sides = self._sides(shape[0], shape[1])
        filters = [self.filters[min(i, len(self.filters) - 1)] for i in range(len(sides) - 1)]
        smallest = (*sides[-1], filters[-1])

        def encode(x: SymbolicTensor, labels: SymbolicTensor | None) -> Code:
            for width in filters:
                x = layers.Conv2D(width, self.kernel, strides=2, padding="same", activation=self.activation)(x)
            features = join(layers.Flatten()(x), labels)
            return code_heads(layers.Dense(self.dense, activation=self.activation)(features), latent)

        def decode(z: SymbolicTensor, labels: SymbolicTensor | None) -> SymbolicTensor:
            x = layers.Dense(self.dense, activation=self.activation)(join(z, labels))
            x = layers.Reshape(smallest)(layers.Dense(math.prod(smallest), activation=self.activation)(x))
            for stage in reversed(range(len(filters))):
                last = stage == 0
                x = layers.Conv2DTranspose(
                    shape[-1] if last else filters[stage - 1],
                    self.kernel,
                    strides=2,
                    padding="same",
                    activation=None if last else self.activation,
                )(x)
                # Twice a half that was rounded up is one too many.
                height, width = sides[stage]
                over = (2 * sides[stage + 1][0] - height, 2 * sides[stage + 1][1] - width)
                if any(over):
                    x = layers.Cropping2D(((0, over[0]), (0, over[1])))(x)
            return x

        return networks(shape, latent, classes, encode, decode)

    def _sides(self, height: int, width: int) -> list[tuple[int, int]]:
        """Heights and widths from the image to the smallest map; at least one halving."""
        sides = [(height, width)]
        while len(sides) == 1 or max(sides[-1]) > self.map_size:
            sides.append((-(-sides[-1][0] // 2), -(-sides[-1][1] // 2)))
        return sides
