"""Encoder, decoder and likelihood as one model, on tensors and on arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_store.arrays import Float32
from training.builders import Dense
from training.builders.base import Networks
from training.config import TrainConfig
from training.data.dataset import Labels
from training.errors import BadSetting
from training.inputs import Prepared
from training.losses import Activation, Bernoulli, ContinuousBernoulli, Gaussian, Likelihood, activate
from training.tensorflow_import import import_keras, import_tensorflow

Tensor = Any

_BATCH = 500
_BIAS_SHRINKAGE = 0.01
"""A pixel that is always 0 must not start at a logit of minus infinity."""


@dataclass(frozen=True)
class Autoencoder:
    """x (b, *shape) -> code (b, d) -> outputs (b, *shape).

    Of several starts side by side every code is (b, starts, d), every output (b, starts, *shape).
    """

    networks: Networks
    likelihood: Likelihood
    shape: tuple[int, ...]
    latent_dim: int
    gaussian: bool
    classes: int = 0
    """Number of classes of a conditional model, else 0."""
    starts: int | None = None

    def encode(
        self, x: Tensor, labels: Tensor | None = None, *, training: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Encode items: z_mean and z_log_var, each (b, d), or a deterministic code and None. `labels` are one-hot."""
        given = {"x": x, "labels": labels} if self.classes else x
        heads = self.networks.encoder(given, training=training)
        return (heads["z_mean"], heads["z_log_var"]) if self.gaussian else (heads["z"], None)

    def decode_logits(self, z: Tensor, labels: Tensor | None = None, *, training: bool = False) -> Tensor:
        """Decode codes to logits, before the output activation: (b, d) -> (b, *shape)."""
        return self.networks.decoder({"z": z, "labels": labels} if self.classes else z, training=training)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Decode codes (b, d) to outputs (b, *shape) in the network's range."""
        return activate(self.decode_logits(z, labels), self.likelihood.activation)

    def one_hot(self, labels: Labels | None, n: int) -> Float32 | None:
        """One-hot labels (n, classes) of class indices (n,), or of class 0 without them; None if unconditional."""
        if not self.classes:
            return None
        return np.eye(self.classes, dtype=np.float32)[np.zeros(n, np.int64) if labels is None else labels]

    def encode_array(self, x: Float32, labels: Labels | None = None) -> tuple[Float32, Float32 | None]:
        """`encode` for any number of items; a conditional model takes class indices (n,), without them class 0."""
        rows = _batches(x, self.one_hot(labels, len(x)))
        z_means, z_log_vars = zip(*(self.encode(*batch) for batch in rows), strict=True)
        return _joined(z_means), _joined(z_log_vars) if self.gaussian else None

    def decode_array(self, z: Float32, labels: Labels | None = None) -> Float32:
        """`decode` for any number of codes; a conditional model takes class indices (n,), without them class 0."""
        return _joined([self.decode(*batch) for batch in _batches(z, self.one_hot(labels, len(z)))])

    @property
    def sigma(self) -> float | None:
        """Return the learned sigma, or None if sigma is not learned."""
        log_sigma = self.likelihood.log_sigma
        return None if log_sigma is None else float(np.exp(log_sigma.numpy()))

    @property
    def trainable(self) -> list[Any]:
        """Every variable that the optimizer moves."""
        networks = self.networks
        return [
            *networks.encoder.trainable_variables,
            *networks.decoder.trainable_variables,
            *self._likelihood_variables,
        ]

    @property
    def state(self) -> list[Any]:
        """Every variable that training changes: weights, and the states of the layers' random generators."""
        return [*self.networks.encoder.variables, *self.networks.decoder.variables, *self._likelihood_variables]

    @property
    def _likelihood_variables(self) -> list[Any]:
        return [] if self.likelihood.log_sigma is None else [self.likelihood.log_sigma]


def build(config: TrainConfig, data: Prepared, start: int = 0) -> Autoencoder:
    """Build a model with fresh weights, drawn from the run's seed and the number of the start.

    Raises BadSetting where the recipe's layers do not fit the items.
    """
    import_keras().utils.set_random_seed(config.training.seed + start)
    shape, classes = data.spec.shape, data.classes if config.input.conditional else 0
    try:
        networks = config.model.build(shape, config.latent, classes)
    except ValueError as error:
        raise BadSetting(f"the layers of {config.recipe} do not fit items of {shape}: {error}") from error
    model = Autoencoder(
        networks=networks,
        likelihood=_likelihood(config, data.spec.value_range),
        shape=shape,
        latent_dim=config.latent.dim,
        gaussian=config.latent.distribution == "gaussian",
        classes=classes,
    )
    if config.training.bias_from_mean:
        _start_output_bias(model, data.train.x.mean(axis=0))
    return model


def can_stack(config: TrainConfig) -> bool:
    """Tell whether the starts of a recipe can train side by side in one network."""
    model = config.model
    return (
        config.training.restarts > 1 and isinstance(model, Dense) and model.stackable and not config.input.conditional
    )


def stack(config: TrainConfig, models: Sequence[Autoencoder]) -> Autoencoder:
    """Combine models of one dense recipe into a single model that trains them side by side."""
    tf = import_tensorflow()
    if not isinstance(config.model, Dense):
        raise BadSetting("only the dense builder trains several starts side by side")
    first, starts = models[0], len(models)
    likelihood = first.likelihood
    if isinstance(likelihood, Gaussian) and likelihood.log_sigma is not None:
        likelihood = Gaussian(None, likelihood.activation, tf.Variable(tf.zeros(starts), name="log_sigma"))
    stacked = Autoencoder(
        networks=config.model.build(first.shape, config.latent, starts=starts),
        likelihood=likelihood,
        shape=first.shape,
        latent_dim=first.latent_dim,
        gaussian=first.gaussian,
        starts=starts,
    )
    for variable, own in zip(stacked.state, zip(*(model.state for model in models), strict=True), strict=True):
        variable.assign(np.stack([part.numpy() for part in own]))
    return stacked


def unstack(stacked: Autoencoder, start: int, into: Autoencoder) -> Autoencoder:
    """Copy one start's weights out of a stacked model into a single model of the same recipe, and return that."""
    for variable, values in zip(into.state, stacked.state, strict=True):
        variable.assign(values.numpy()[start])
    return into


def _likelihood(config: TrainConfig, value_range: tuple[float, float] | None) -> Likelihood:
    options = config.likelihood
    if options.kind == "continuous_bernoulli":
        return ContinuousBernoulli()
    if options.kind == "bernoulli" or (options.kind == "auto" and value_range is not None):
        return Bernoulli()
    automatic: Activation = "linear" if value_range is None else "sigmoid"
    activation: Activation = automatic if options.output == "auto" else options.output
    if options.sigma == "learned":
        tf = import_tensorflow()
        return Gaussian(
            None, activation, tf.Variable(math.log(options.sigma_start), dtype=tf.float32, name="log_sigma")
        )
    # Without a kl to balance, sigma only scales the loss: 1 makes it half the plain squared error, whose minimum is
    # that of all data, not of a mean over the batches' logarithms.
    optimal = None if config.latent.distribution == "gaussian" else 1.0
    return Gaussian(optimal if options.sigma == "optimal" else options.sigma, activation)


def _start_output_bias(model: Autoencoder, mean: Float32) -> None:
    """Set the bias of the decoder's last layer so that it answers `mean`; one bias an element or a channel."""
    bias = model.networks.decoder.trainable_variables[-1]
    per_element = math.prod(bias.shape) == math.prod(model.shape)
    values = mean.astype(np.float64).reshape(bias.shape if per_element else (-1, *bias.shape))
    target = values if per_element else values.mean(axis=0)
    if model.likelihood.activation == "sigmoid":
        share = _BIAS_SHRINKAGE / 2 + (1 - _BIAS_SHRINKAGE) * target
        target = np.log(share / (1 - share))
    bias.assign(target)


def _batches(items: Float32, labels: Float32 | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    tf = import_tensorflow()
    for i in range(0, len(items), _BATCH):
        yield (
            tf.constant(items[i : i + _BATCH]),
            None if labels is None else tf.constant(labels[i : i + _BATCH]),
        )


def _joined(parts: Sequence[Tensor]) -> Float32:
    return np.concatenate([part.numpy() for part in parts])
