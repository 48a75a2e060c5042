"""The objective of training: one batch through the model to its loss. Tensors only.

Shapes: b items, k posterior samples, d the code's length; [s] is the axis of the starts where several train side by
side, and is absent otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from training.augment import augment
from training.autoencoder import Autoencoder
from training.config import TrainConfig
from training.losses import (
    DoublyReparameterised,
    importance_weighted_bound,
    in_form,
    kl_per_dimension,
    kl_with_free_bits,
    log_prior_ratio,
    sample_posterior,
)
from training.tensorflow_import import import_tensorflow

Tensor = Any

_POSTERIOR, _AUGMENT, _BINARISE, _CORRUPT = 0, 1, 2, 3  # what a draw is for: part of its seed
_PURPOSES = 4
VALIDATION = 1
"""Offset of the run's seed for the draws of the validation split."""


@dataclass(frozen=True)
class Outcome:
    """Loss of one batch in the recipe's form, and its nll and kl in nats per item; each () or [s]."""

    loss: Tensor
    nll: Tensor
    kl: Tensor


@dataclass(frozen=True)
class Objective:
    """The loss that a recipe minimises, with the steps from a batch to it."""

    model: Autoencoder
    config: TrainConfig
    value_range: tuple[float, float] | None

    def of_one_sample(self) -> Objective:
        """Return this objective with the ELBO in place of the bound of several samples."""
        single = self.config.objective.model_copy(update={"samples": 1})
        return replace(self, config=self.config.model_copy(update={"objective": single}))

    def look(self, x: Tensor, seed: Tensor) -> Tensor:
        """Augment and binarise training items for one step: (b, *shape) -> the same shape."""
        tf = import_tensorflow()
        if self.config.augment.active:
            x = augment(x, self.config.augment, _stream(seed, _AUGMENT))
        if self.config.data.binarise == "anew":
            drawn = tf.random.stateless_uniform(tf.shape(x), _stream(seed, _BINARISE)) < x
            x = tf.cast(drawn, tf.float32)
        return x

    def corrupted(self, x: Tensor, seed: Tensor) -> Tensor:
        """Add the recipe's noise, if any, to a target x (b, *shape): the network's input."""
        tf = import_tensorflow()
        if not self.config.corrupt.noise:
            return x
        noise = tf.random.stateless_normal(tf.shape(x), _stream(seed, _CORRUPT))
        noisy = x + self.config.corrupt.noise * noise
        return noisy if self.value_range is None else tf.clip_by_value(noisy, *self.value_range)

    def outcome(
        self, x: Tensor, labels: Tensor | None, beta: Tensor | float, seed: Tensor, *, training: bool
    ) -> Outcome:
        """Encode, sample, decode and score a batch x (b, *shape); `seed` (2,) is the step's."""
        tf = import_tensorflow()
        model, options = self.model, self.config.objective
        k, rank, elements = options.samples, len(model.shape), math.prod(model.shape)
        encoder_gradient = DoublyReparameterised()
        z_mean, z_log_var = model.encode(self.corrupted(x, seed), labels, training=training)  # (b, [s], d)
        if z_log_var is None:
            z = z_mean[None]
        else:
            means, log_vars = (tf.repeat(part[None], k, axis=0) for part in (z_mean, z_log_var))
            z = sample_posterior(means, log_vars, _stream(seed, _POSTERIOR))  # (k, b, [s], d)
            if k > 1:
                z = encoder_gradient.pass_on(z)
        logits = self._decode(z, labels, training=training)  # (k, b, [s], *shape)
        target = x if model.starts is None else x[:, None]  # (b, [1], *shape)
        error = model.likelihood.item_error(target[None], logits, kept=len(logits.shape) - rank)  # (k, b, [s])
        if z_log_var is None:
            nll = model.likelihood.nll(tf.reduce_mean(error, axis=(0, 1)), elements)
            loss, kl = nll, tf.zeros_like(nll)
        else:
            terms = kl_per_dimension(z_mean, z_log_var)  # (b, [s], d)
            kl = tf.reduce_sum(tf.reduce_mean(terms, axis=0), axis=-1)
            nll = model.likelihood.nll(tf.reduce_mean(error, axis=(0, 1)), elements)
            if k == 1:
                loss = nll + beta * kl_with_free_bits(terms, options.free_bits)
            else:
                ratio = log_prior_ratio(z, tf.stop_gradient(means), tf.stop_gradient(log_vars))  # (k, b, [s])
                log_weights = -model.likelihood.nll(error, elements) - beta * ratio
                encoder_gradient.weigh(log_weights)
                loss = -tf.reduce_mean(importance_weighted_bound(log_weights), axis=0)
        if options.l1_activity:
            size = tf.reduce_mean(tf.reduce_sum(tf.abs(z_mean), axis=-1), axis=0)
            loss += elements * options.l1_activity * size
        return Outcome(in_form(loss, options.form, elements), nll, kl)

    def _decode(self, z: Tensor, labels: Tensor | None, *, training: bool) -> Tensor:
        """Decode codes (k, b, [s], d) to logits (k, b, [s], *shape)."""
        tf = import_tensorflow()
        if z.shape[0] == 1:
            return self.model.decode_logits(z[0], labels, training=training)[None]
        k, b = z.shape[0], tf.shape(z)[1]
        given = None if labels is None else tf.tile(labels, (k, 1))
        flat = self.model.decode_logits(tf.reshape(z, (-1, *z.shape[2:])), given, training=training)
        return tf.reshape(flat, (k, b, *flat.shape[1:]))


def step_seed(seed: int, start: Tensor | int, step: Tensor | int) -> Tensor:
    """Seed (2,) of one start and step of a run; the purposes below take distinct streams from it."""
    tf = import_tensorflow()
    return tf.stack([seed + 2 * tf.cast(start, tf.int32), tf.cast(step, tf.int32) * _PURPOSES])


def _stream(seed: Tensor, purpose: int) -> Tensor:
    tf = import_tensorflow()
    return seed + tf.constant([0, purpose])
