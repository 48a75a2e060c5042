"""The same architecture under the settings it was published with: an ordinary Keras fit, timed.

Cost is measured over some steps and extrapolated; it is never run out. Where a source gives no figure of its own, its
settings are given as many seconds as our run took, and the figure they reach is the one to beat.
"""

from __future__ import annotations

import math
import time
from typing import Any

from training.autoencoder import Autoencoder, build
from training.config import PublishedConfig, TrainConfig
from training.evaluate import evaluate
from training.inputs import Prepared
from training.losses import kl_per_dimension, sample_posterior
from training.reproduce.results import TutorialCost
from training.tensorflow_import import import_keras, import_tensorflow

Tensor = Any
KerasModel = Any

_UNTIMED_STEPS = 3
"""The first steps trace and compile."""
_TIMED_EPOCHS = 2


def time_tutorial(
    config: TrainConfig, published: PublishedConfig, data: Prepared, *, budget_s: float, compete_s: float | None
) -> TutorialCost | None:
    """Seconds per epoch, over two epochs or `budget_s`, whichever ends first; None where no settings are known.

    With `compete_s` the fit goes on for that many seconds (or all of its epochs), and is evaluated on the test split.
    """
    if published.epochs is None or published.batch_size is None or published.optimizer is None:
        return None
    batch_size = min(published.batch_size, len(data.train))
    epoch_steps = math.ceil(len(data.train) / batch_size)
    model = build(config, data)
    limit_s = budget_s if compete_s is None else compete_s
    epochs = _TIMED_EPOCHS if compete_s is None else published.epochs
    steps, seconds = _fit(model, published, data, batch_size, _Clock(limit_s, epochs * epoch_steps))
    metric = published.metric
    figure = None if compete_s is None else evaluate(model, data, config).metrics.get(metric)
    return TutorialCost(
        steps_timed=steps,
        epoch_s=seconds / steps * epoch_steps,
        epochs=published.epochs,
        figure=figure,
        figure_after_s=None if figure is None else seconds,
    )


class _Clock:
    """Counts steps and seconds from the end of the untimed ones."""

    def __init__(self, limit_s: float, limit_steps: int) -> None:
        self._limit_s, self._limit_steps = limit_s, limit_steps
        self._untimed = _UNTIMED_STEPS
        self._started = 0.0
        self.steps, self.seconds = 0, 0.0

    def step(self) -> bool:
        """Note a step that is done; whether there is time for another."""
        if self._untimed:
            self._untimed -= 1
            self._started = time.perf_counter()
            return True
        self.steps += 1
        self.seconds = time.perf_counter() - self._started
        return self.seconds < self._limit_s and self.steps < self._limit_steps


def _fit(
    model: Autoencoder, published: PublishedConfig, data: Prepared, batch_size: int, clock: _Clock
) -> tuple[int, float]:
    keras = import_keras()
    callback: Any = keras.callbacks.Callback

    class Stop(callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002 - Keras names them
            if not clock.step():
                self.model.stop_training = True

    options = {} if published.learning_rate is None else {"learning_rate": published.learning_rate}
    optimizer = keras.optimizers.get({"class_name": published.optimizer, "config": options})
    trainer = _trainer(model)
    trainer.compile(optimizer=optimizer)
    while clock.steps == 0 or not trainer.stop_training:
        trainer.fit(data.train.x, batch_size=batch_size, epochs=1, shuffle=True, verbose=0, callbacks=[Stop()])
    return clock.steps, clock.seconds


def _trainer(model: Autoencoder) -> KerasModel:
    """A Keras model around ours whose step is the sources' own: nll + kl, or the mean error of an element."""
    tf, keras = import_tensorflow(), import_keras()
    elements = math.prod(model.shape)
    keras_model: Any = keras.Model

    class Trainer(keras_model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = model.networks.encoder, model.networks.decoder

        def train_step(self, x: Tensor) -> dict[str, Tensor]:
            with tf.GradientTape() as tape:
                z_mean, z_log_var = model.encode(x, training=True)
                z = z_mean if z_log_var is None else sample_posterior(z_mean, z_log_var, _draw())
                error = tf.reduce_mean(model.likelihood.item_error(x, model.decode_logits(z, training=True)))
                loss = model.likelihood.nll(error, elements)
                if z_log_var is None:
                    loss = loss / elements
                else:
                    loss += tf.reduce_sum(tf.reduce_mean(kl_per_dimension(z_mean, z_log_var), axis=0))
            variables = model.trainable
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            return {"loss": loss}

    def _draw() -> Tensor:
        return tf.random.uniform((2,), maxval=2**31 - 1, dtype=tf.int32)

    return Trainer()
