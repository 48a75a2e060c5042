"""The negative log-likelihood by importance samples: Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, eq. 8."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32, Float64
from training.errors import BadSetting
from training.reproduce.served import Served
from training.tensorflow_import import import_tensorflow

Tensor = Any

_ROWS = 5000
"""Number of codes decoded in one call."""
_FLOOR = 1e-7


def importance_nll(served: Served, x: Float32, *, samples: int, seed: int = 0) -> Float64:
    """−log of the mean of p(x | z) p(z) / q(z | x) over `samples` draws from the posterior: (n, *shape) -> (n,) nats.

    An upper bound of −log p(x) on average, tight as `samples` grows. Bernoulli and Gaussian likelihoods; the draws
    depend on `seed` alone. Raises BadSetting for a deterministic code or another likelihood.
    """
    tf = import_tensorflow()
    likelihood = served.manifest.likelihood
    if served.manifest.latent.distribution != "gaussian" or likelihood.kind == "continuous_bernoulli":
        raise BadSetting("importance samples need a gaussian code and a bernoulli or gaussian likelihood")
    shape = served.manifest.input.shape
    elements, dim = math.prod(shape), served.manifest.latent.dim
    at_once = min(samples, _ROWS)
    rounds = math.ceil(samples / at_once)
    at_once = math.ceil(samples / rounds)
    group = max(1, _ROWS // at_once)

    def log_likelihood(items: Tensor, outputs: Tensor) -> Tensor:
        """log p(x | z) of items (b, 1, e) under decoded outputs (b, k, e): (b, k)."""
        if likelihood.kind == "bernoulli":
            p = tf.clip_by_value(outputs, _FLOOR, 1.0 - _FLOOR)
            # x log p + (1 − x) log(1 − p) as a product: the logarithms are the only work on all elements.
            log_p, log_q = tf.math.log(p), tf.math.log1p(-p)
            return tf.squeeze(tf.matmul(log_p - log_q, items, transpose_b=True), 2) + tf.reduce_sum(log_q, axis=2)
        sigma = float(likelihood.sigma or 1.0)
        squared = tf.reduce_sum(tf.square(items - outputs), axis=2)
        return -0.5 * squared / sigma**2 - elements * (math.log(sigma) + 0.5 * math.log(2.0 * math.pi))

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def log_weights(items: Tensor, draw: Tensor) -> Tensor:
        """Logs of the importance weights of k posterior samples an item: (b, *shape) -> (b, k)."""
        z_mean, z_log_var = served.encode_gaussian(items)
        noise = tf.random.stateless_normal((tf.shape(items)[0], at_once, dim), draw)
        z = z_mean[:, None] + tf.exp(0.5 * z_log_var)[:, None] * noise
        outputs = tf.reshape(served.decode_tensor(tf.reshape(z, (-1, dim))), (-1, at_once, elements))
        log_ratio = 0.5 * tf.reduce_sum(tf.square(noise) + z_log_var[:, None] - tf.square(z), axis=2)
        return log_likelihood(tf.reshape(items, (-1, 1, elements)), outputs) + log_ratio

    def nll(start: int) -> NDArray[Any]:
        items = tf.constant(x[start : start + group])
        weights = [log_weights(items, tf.constant([seed, start * rounds + i])) for i in range(rounds)]
        total = tf.reduce_logsumexp(tf.concat(weights, axis=1), axis=1)
        return np.asarray(math.log(at_once * rounds) - total.numpy(), np.float64)

    return np.concatenate([nll(start) for start in range(0, len(x), group)])
