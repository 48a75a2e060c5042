"""What every builder gives back, and the end of every encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.sections import LatentConfig

SymbolicTensor = Any
KerasModel = Any
Code = dict[str, SymbolicTensor]

Z_LOG_VAR_LIMIT = 20.0
"""z_log_var is clipped to ±20, so that exp() neither overflows float32 nor reaches 0."""


@dataclass(frozen=True)
class Networks:
    """Two Keras models.

    encoder: x (b, *shape) -> z_mean and z_log_var, or z, by name, each (b, d). decoder: z (b, d) -> logits (b, *shape).
    """

    encoder: KerasModel
    decoder: KerasModel


def code_heads(features: SymbolicTensor, latent: LatentConfig) -> Code:
    """The code out of features (b, f): z_mean and z_log_var, or z where it is deterministic; each (b, d)."""
    import keras

    if latent.distribution == "deterministic":
        return {"z": keras.layers.Dense(latent.dim, name="z")(features)}
    z_mean = keras.layers.Dense(latent.dim, name="z_mean")(features)
    # Every posterior starts with the prior's variance, whatever the features are.
    raw = keras.layers.Dense(latent.dim, kernel_initializer="zeros", name="z_log_var_raw")(features)
    z_log_var = keras.ops.clip(raw, -Z_LOG_VAR_LIMIT, Z_LOG_VAR_LIMIT)
    return {"z_mean": z_mean, "z_log_var": z_log_var}


def networks(
    shape: tuple[int, ...],
    latent: LatentConfig,
    encode: Callable[[SymbolicTensor], Code],
    decode: Callable[[SymbolicTensor], SymbolicTensor],
) -> Networks:
    """Two functional models out of two functions on symbolic tensors."""
    import keras

    x = keras.Input(shape, name="x")
    z = keras.Input((latent.dim,), name="z")
    return Networks(keras.Model(x, encode(x), name="encoder"), keras.Model(z, decode(z), name="decoder"))
