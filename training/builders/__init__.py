"""Builders of encoders and decoders, by name. A builder is a section of the configuration with a `build` method.

A further architecture is one module here and its name in `ModelConfig`. Decoders answer before the output
activation ("logits"); the likelihood's activation is applied in one place, `training.autoencoder`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from training.builders.convolutional import Convolutional
from training.builders.dense import Dense
from training.builders.linear import Linear
from training.builders.lstm import Lstm
from training.builders.staged import Staged

ModelConfig = Annotated[Dense | Convolutional | Linear | Lstm | Staged, Field(discriminator="builder")]
BUILDERS: dict[str, type[Dense | Convolutional | Linear | Lstm | Staged]] = {
    "dense": Dense,
    "convolutional": Convolutional,
    "linear": Linear,
    "lstm": Lstm,
    "staged": Staged,
}

__all__ = ["BUILDERS", "Convolutional", "Dense", "Linear", "Lstm", "ModelConfig", "Staged"]
