"""The pair of networks that every builder returns, and the last layers of every encoder."""

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


HEADS = ("z", "z_mean", "z_log_var_raw")
"""The layers that make the code."""


@dataclass(frozen=True)
class Networks:
    """Two Keras models.

    encoder: x (b, *shape) -> z_mean and z_log_var, or z, by name, each (b, d). decoder: z (b, d) -> logits (b, *shape).
    Conditional ones take {"x" or "z", "labels" (b, classes), one-hot}. Of n starts, stacked, every code is (b, n, d)
    and the logits are (b, n, *shape).
    """

    encoder: KerasModel
    decoder: KerasModel


def affine(features: SymbolicTensor, units: int, starts: int | None = None, **options: object) -> SymbolicTensor:
    """A fully connected layer: (b, f) -> (b, units).

    With `starts`, one independent layer for each start: (b, f) or (b, starts, f) -> (b, starts, units).
    """
    import keras

    if starts is None:
        return keras.layers.Dense(units, **options)(features)
    equation = "bi,sio->bso" if len(features.shape) == 2 else "bsi,sio->bso"
    return keras.layers.EinsumDense(equation, (starts, units), bias_axes="so", **options)(features)


def join(features: SymbolicTensor, labels: SymbolicTensor | None) -> SymbolicTensor:
    """Join features (b, f) with labels (b, classes) if the model is conditional."""
    import keras

    return features if labels is None else keras.layers.Concatenate()([features, labels])


def code_heads(features: SymbolicTensor, latent: LatentConfig, starts: int | None = None) -> Code:
    """Make the code from features (b, f): z_mean and z_log_var, or z if it is deterministic; each (b, d)."""
    import keras

    if latent.distribution == "deterministic":
        bias = keras.initializers.Constant(latent.bias)
        return {
            "z": affine(features, latent.dim, starts, activation=latent.activation, bias_initializer=bias, name="z")
        }
    z_mean = affine(features, latent.dim, starts, name="z_mean")
    # Every posterior starts with the prior's variance, whatever the features are.
    raw = affine(features, latent.dim, starts, kernel_initializer="zeros", name="z_log_var_raw")
    z_log_var = keras.ops.clip(raw, -Z_LOG_VAR_LIMIT, Z_LOG_VAR_LIMIT)
    return {"z_mean": z_mean, "z_log_var": z_log_var}


def networks(
    shape: tuple[int, ...],
    latent: LatentConfig,
    classes: int,
    encode: Callable[[SymbolicTensor, SymbolicTensor | None], Code],
    decode: Callable[[SymbolicTensor, SymbolicTensor | None], SymbolicTensor],
    starts: int | None = None,
) -> Networks:
    """Make both Keras models from two functions on symbolic tensors; `classes` is 0 for an unconditional model."""
    import keras

    x = keras.Input(shape, name="x")
    z = keras.Input((latent.dim,) if starts is None else (starts, latent.dim), name="z")
    if not classes:
        encoder, decoder = keras.Model(x, encode(x, None)), keras.Model(z, decode(z, None))
        return Networks(encoder, decoder)
    labels = keras.Input((classes,), name="labels")
    return Networks(
        keras.Model({"x": x, "labels": labels}, encode(x, labels)),
        keras.Model({"z": z, "labels": labels}, decode(z, labels)),
    )
