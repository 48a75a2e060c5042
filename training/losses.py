"""The terms of the loss, in nats per example; pure functions of tensors.

loss = nll + beta · kl, with nll = −log p(x | z) summed over an item's elements, and kl of the posterior
N(z_mean, exp(z_log_var)) from the prior N(0, I). With beta 1 it is the negative ELBO (Kingma & Welling 2014,
arXiv:1312.6114).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from training.tensorflow_import import import_tensorflow

Tensor = Any

MIN_VARIANCE = 1e-6
"""The optimal sigma stops at 0.001 of the network's unit: a perfect fit must not have an infinite likelihood."""


@dataclass(frozen=True)
class Bernoulli:
    """Each element is a probability; the decoder answers logits. `item_error` is the nll itself."""

    activation: Literal["sigmoid"] = "sigmoid"

    def item_error(self, x: Tensor, logits: Tensor) -> Tensor:
        """Binary cross-entropy summed over the elements: x, logits (b, …) -> (b,)."""
        tf = import_tensorflow()
        return _sum_elements(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))

    def nll(self, mean_error: Tensor, elements: int) -> Tensor:  # noqa: ARG002 - the Gaussian needs it
        """The mean nll of a batch from its mean item error: both scalars."""
        return mean_error


@dataclass(frozen=True)
class Gaussian:
    """Each element is a mean; one standard deviation sigma for all. `item_error` is the squared error.

    Where `sigma` is None it is the best one for the batch at hand, sigma² = mse (Rybkin, Daniilidis & Levine 2021,
    arXiv:2006.13202): reconstruction and kl are then in balance whatever the data's scale.
    """

    sigma: float | None
    activation: Literal["linear", "sigmoid"]

    def item_error(self, x: Tensor, logits: Tensor) -> Tensor:
        """Squared error summed over the elements: x, logits (b, …) -> (b,)."""
        tf = import_tensorflow()
        mean = tf.sigmoid(logits) if self.activation == "sigmoid" else logits
        return _sum_elements(tf.square(x - mean))

    def nll(self, mean_error: Tensor, elements: int) -> Tensor:
        """The mean nll of a batch from its mean item error: both scalars."""
        tf = import_tensorflow()
        if self.sigma is None:
            variance = tf.maximum(mean_error / elements, MIN_VARIANCE)
        else:
            variance = tf.constant(self.sigma**2, tf.float32)
        return 0.5 * (elements * tf.math.log(2.0 * math.pi * variance) + mean_error / variance)


Likelihood = Bernoulli | Gaussian


def kl_per_dimension(z_mean: Tensor, z_log_var: Tensor) -> Tensor:
    """KL(N(z_mean, exp(z_log_var)) ‖ N(0, 1)): both (b, d) -> (b, d). Kingma & Welling 2014, appendix B."""
    tf = import_tensorflow()
    return 0.5 * (tf.square(z_mean) + tf.exp(z_log_var) - z_log_var - 1.0)


def kl_with_free_bits(kl: Tensor, free_bits: float) -> Tensor:
    """The batch's mean kl (b, d) -> scalar, no dimension counted below `free_bits` nats.

    Kingma et al. 2016, arXiv:1606.04934, appendix C.8.
    """
    tf = import_tensorflow()
    return tf.reduce_sum(tf.maximum(tf.reduce_mean(kl, axis=0), free_bits))


def beta_at(epoch: int, *, epochs: int, beta: float, kl_warmup: float) -> float:
    """beta in an epoch counted from 0, rising linearly over the first `kl_warmup` share of all epochs."""
    rising = kl_warmup * epochs
    return beta * min(1.0, (epoch + 1) / rising) if rising >= 1 else beta


def sample_posterior(z_mean: Tensor, z_log_var: Tensor, seed: Tensor) -> Tensor:
    """z = z_mean + exp(z_log_var / 2) · noise: all (b, d); the noise depends on `seed` (2,) alone."""
    tf = import_tensorflow()
    return z_mean + tf.exp(0.5 * z_log_var) * tf.random.stateless_normal(tf.shape(z_mean), seed)


def _sum_elements(values: Tensor) -> Tensor:
    tf = import_tensorflow()
    return tf.reduce_sum(tf.reshape(values, (tf.shape(values)[0], -1)), axis=1)
