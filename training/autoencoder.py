"""Encoder, decoder and likelihood as one model, on tensors and on arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.builders.base import Networks
from training.config import TrainConfig
from training.losses import Bernoulli, Gaussian, Likelihood
from training.tensorflow_import import import_keras, import_tensorflow

Tensor = Any
Float32 = NDArray[np.float32]

_BATCH = 500


@dataclass(frozen=True)
class Autoencoder:
    """x (b, *shape) -> code (b, d) -> outputs (b, *shape)."""

    networks: Networks
    likelihood: Likelihood
    shape: tuple[int, ...]
    latent_dim: int
    gaussian: bool

    def encode(self, x: Tensor, *, training: bool = False) -> tuple[Tensor, Tensor | None]:
        """z_mean and z_log_var, each (b, d); the code and None where it is deterministic."""
        heads = self.networks.encoder(x, training=training)
        return (heads["z_mean"], heads["z_log_var"]) if self.gaussian else (heads["z"], None)

    def decode_logits(self, z: Tensor, *, training: bool = False) -> Tensor:
        """(b, d) -> (b, *shape), before the output activation."""
        return self.networks.decoder(z, training=training)

    def decode(self, z: Tensor) -> Tensor:
        """(b, d) -> outputs (b, *shape) in the network's range."""
        tf = import_tensorflow()
        logits = self.decode_logits(z)
        return tf.sigmoid(logits) if self.likelihood.activation == "sigmoid" else tf.identity(logits)

    def encode_array(self, x: Float32) -> tuple[Float32, Float32 | None]:
        """`encode` for any number of items."""
        z_means, z_log_vars = zip(*(self.encode(batch) for batch in _batches(x)), strict=True)
        return _joined(z_means), _joined(z_log_vars) if self.gaussian else None

    def decode_array(self, z: Float32) -> Float32:
        """`decode` for any number of codes."""
        return _joined([self.decode(batch) for batch in _batches(z)])

    @property
    def trainable(self) -> list[Any]:
        """Every variable that the optimizer moves."""
        networks = self.networks
        return [*networks.encoder.trainable_variables, *networks.decoder.trainable_variables]

    @property
    def state(self) -> list[Any]:
        """Every variable that training changes: the weights, and the states of the layers' own random streams."""
        return [*self.networks.encoder.variables, *self.networks.decoder.variables]


def build(config: TrainConfig, shape: tuple[int, ...], value_range: tuple[float, float] | None) -> Autoencoder:
    """A model with fresh weights, drawn from the run's seed."""
    import_keras().utils.set_random_seed(config.training.seed)
    bernoulli = config.likelihood.kind == "bernoulli" or (config.likelihood.kind == "auto" and value_range is not None)
    gaussian_code = config.latent.distribution == "gaussian"
    # Without a kl to balance, sigma only scales the loss: 1 makes it half the plain squared error, whose minimum is
    # that of all data, not of a mean over the batches' logarithms.
    optimal = None if gaussian_code else 1.0
    sigma = optimal if config.likelihood.sigma == "optimal" else config.likelihood.sigma
    return Autoencoder(
        networks=config.model.build(shape, config.latent),
        likelihood=Bernoulli() if bernoulli else Gaussian(sigma, "linear" if value_range is None else "sigmoid"),
        shape=shape,
        latent_dim=config.latent.dim,
        gaussian=gaussian_code,
    )


def _batches(items: Float32) -> Iterator[Tensor]:
    tf = import_tensorflow()
    return (tf.constant(items[i : i + _BATCH]) for i in range(0, len(items), _BATCH))


def _joined(parts: Sequence[Tensor]) -> Float32:
    return np.concatenate([part.numpy() for part in parts])
