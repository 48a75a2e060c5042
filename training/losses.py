"""The terms of the loss, in nats per example; pure functions of tensors.

loss = nll + beta · kl, with nll = −log p(x | z) summed over an item's elements, and kl of the posterior
N(z_mean, exp(z_log_var)) from the prior N(0, I). With beta 1 it is the negative ELBO (Kingma & Welling 2014,
arXiv:1312.6114).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from training.tensorflow_import import import_tensorflow

Tensor = Any
Variable = Any
Activation = Literal["linear", "sigmoid", "tanh"]
LossForm = Literal["nats", "784*mse + kl", "(784*bce + kl) / (2*784)"]

MIN_VARIANCE = 1e-6
"""The optimal sigma stops at 0.001 of the network's unit: a perfect fit must not have an infinite likelihood."""
SQUARED_ERROR_SIGMA = math.sqrt(0.5)
"""The Gaussian whose nll is the summed squared error, but for a constant."""


def activate(logits: Tensor, activation: Activation) -> Tensor:
    """Apply the output activation to the decoder's logits: (b, …) -> the same shape."""
    tf = import_tensorflow()
    return {"linear": tf.identity, "sigmoid": tf.sigmoid, "tanh": tf.tanh}[activation](logits)


@dataclass(frozen=True)
class Bernoulli:
    """Bernoulli likelihood: each element is a probability, given as a logit. `item_error` is the nll itself."""

    activation: Activation = "sigmoid"
    log_sigma: None = None

    def item_error(self, x: Tensor, logits: Tensor, *, kept: int = 1) -> Tensor:
        """Binary cross-entropy summed over the elements: x, logits (b, …) -> (b,), or so many leading axes `kept`."""
        return _sum_elements(_cross_entropy(x, logits), kept)

    def nll(self, error: Tensor, elements: int) -> Tensor:  # noqa: ARG002 - the Gaussian needs it
        """The nll of an item error or of a batch's mean: any shape -> the same."""
        return error


@dataclass(frozen=True)
class ContinuousBernoulli:
    """Continuous Bernoulli likelihood, a density on [0, 1]: Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845."""

    activation: Activation = "sigmoid"
    log_sigma: None = None

    def item_error(self, x: Tensor, logits: Tensor, *, kept: int = 1) -> Tensor:
        """Cross-entropy less log C(λ), summed over the elements: x, logits (b, …) -> (b,).

        With λ = sigmoid(l), C = 2 artanh(1 − 2λ) / (1 − 2λ) is 2u / tanh u, u = l / 2.
        """
        tf = import_tensorflow()
        u = 0.5 * logits
        near_zero = tf.abs(u) < 0.1
        safe = tf.where(near_zero, tf.ones_like(u), tf.abs(u))
        series = tf.square(u) / 3.0 - 7.0 * tf.square(tf.square(u)) / 90.0
        log_constant = math.log(2.0) + tf.where(near_zero, series, tf.math.log(safe / tf.tanh(safe)))
        return _sum_elements(_cross_entropy(x, logits) - log_constant, kept)

    def nll(self, error: Tensor, elements: int) -> Tensor:  # noqa: ARG002 - the Gaussian needs it
        """The nll of an item error or of a batch's mean: any shape -> the same."""
        return error


@dataclass(frozen=True)
class Gaussian:
    """Gaussian likelihood: each element is a mean, with one sigma for all. `item_error` is the squared error.

    Where `sigma` is None and nothing is learned it is the best one for the batch at hand, sigma² = mse (Rybkin,
    Daniilidis & Levine 2021, arXiv:2006.13202): reconstruction and kl are then in balance whatever the data's scale.
    """

    sigma: float | None
    activation: Activation
    log_sigma: Variable | None = None
    """The learned log sigma: a scalar, or one a start (starts,)."""

    def item_error(self, x: Tensor, logits: Tensor, *, kept: int = 1) -> Tensor:
        """Squared error summed over the elements: x, logits (b, …) -> (b,), or so many leading axes `kept`."""
        tf = import_tensorflow()
        return _sum_elements(tf.square(x - activate(logits, self.activation)), kept)

    def nll(self, error: Tensor, elements: int) -> Tensor:
        """The nll of a batch's mean item error; of an item error only where sigma is set or learned."""
        tf = import_tensorflow()
        if self.log_sigma is not None:
            variance = tf.exp(2.0 * tf.convert_to_tensor(self.log_sigma)) + MIN_VARIANCE
        elif self.sigma is None:
            variance = tf.maximum(error / elements, MIN_VARIANCE)
        else:
            variance = tf.constant(self.sigma**2, tf.float32)
        return 0.5 * (elements * tf.math.log(2.0 * math.pi * variance) + error / variance)


Likelihood = Bernoulli | ContinuousBernoulli | Gaussian


def kl_per_dimension(z_mean: Tensor, z_log_var: Tensor) -> Tensor:
    """KL(N(z_mean, exp(z_log_var)) ‖ N(0, 1)): both (b, d) -> (b, d). Kingma & Welling 2014, appendix B."""
    tf = import_tensorflow()
    return 0.5 * (tf.square(z_mean) + tf.exp(z_log_var) - z_log_var - 1.0)


def kl_with_free_bits(kl: Tensor, free_bits: float) -> Tensor:
    """Mean kl of a batch, (b, …, d) -> (…), where each dimension counts at least `free_bits` nats.

    Kingma et al. 2016, arXiv:1606.04934, appendix C.8.
    """
    tf = import_tensorflow()
    return tf.reduce_sum(tf.maximum(tf.reduce_mean(kl, axis=0), free_bits), axis=-1)


def log_prior_ratio(z: Tensor, z_mean: Tensor, z_log_var: Tensor) -> Tensor:
    """log q(z | x) − log N(z; 0, I): all (…, d) -> (…). Its mean over q is the kl."""
    tf = import_tensorflow()
    return 0.5 * tf.reduce_sum(tf.square(z) - tf.square(z - z_mean) * tf.exp(-z_log_var) - z_log_var, axis=-1)


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """log of the mean of k weights p(x, z) / q(z | x), given their logs: (k, …) -> (…), nats.

    Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, equation 8; k = 1 is the ELBO.
    """
    tf = import_tensorflow()
    return tf.reduce_logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])


class DoublyReparameterised:
    """The bound's gradient for the encoder, whose noise does not grow with k: the gradient into each sample z, taken
    with the posterior's parameters held still in log q(z | x), is weighed by its importance weight once more.

    Tucker, Lawson, Gu & Maddison 2019, arXiv:1810.04152, equation 8. The decoder's gradient stays that of the bound.
    """

    def __init__(self) -> None:
        self._weights: Tensor = None

    def pass_on(self, z: Tensor) -> Tensor:
        """Return z (k, …, d) unchanged, with this gradient; call `weigh` before taking a gradient through it."""
        tf = import_tensorflow()

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def weighed(z: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
            return tf.identity(z), lambda upstream: upstream * self._weights

        return weighed(z)

    def weigh(self, log_weights: Tensor) -> None:
        """Set the samples' importance weights: log weights (k, …)."""
        tf = import_tensorflow()
        self._weights = tf.stop_gradient(tf.nn.softmax(log_weights, axis=0))[..., None]


def in_form(loss: Tensor, form: LossForm, elements: int) -> Tensor:
    """Convert a loss in nats to the form of a tutorial; 784 in its name means the number of elements.

    "784*mse + kl" is the loss of a Gaussian with sigma² = ½ without its constant; "(784*bce + kl) / (2*784)" that of
    a Bernoulli, scaled.
    """
    if form == "784*mse + kl":
        return loss - 0.5 * elements * math.log(2.0 * math.pi * SQUARED_ERROR_SIGMA**2)
    return loss / (2.0 * elements) if form == "(784*bce + kl) / (2*784)" else loss


def beta_at(epoch: int, *, epochs: int, beta: float, kl_warmup: float) -> float:
    """Return beta in an epoch (from 0): it rises linearly over the first `kl_warmup` share of all epochs."""
    rising = kl_warmup * epochs
    return beta * min(1.0, (epoch + 1) / rising) if rising >= 1 else beta


def sample_posterior(z_mean: Tensor, z_log_var: Tensor, seed: Tensor) -> Tensor:
    """Draw z = z_mean + exp(z_log_var / 2) · noise: all (…, d); the noise depends on `seed` (2,) alone."""
    tf = import_tensorflow()
    return z_mean + tf.exp(0.5 * z_log_var) * tf.random.stateless_normal(tf.shape(z_mean), seed)


def _cross_entropy(x: Tensor, logits: Tensor) -> Tensor:
    """Binary cross-entropy, written out so that x (…) may broadcast against logits (…)."""
    tf = import_tensorflow()
    return tf.nn.softplus(logits) - x * logits


def _sum_elements(values: Tensor, kept: int) -> Tensor:
    tf = import_tensorflow()
    return tf.reduce_sum(values, axis=list(range(kept, values.shape.rank)))
