"""Timing of the same architecture with its published settings, in an ordinary Keras fit.

Cost is measured over some steps and extrapolated; it is never run out. Where a source gives no figure of its own, its
settings are given as many seconds as our run took, and the figure they reach is the one to beat.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.autoencoder import build
from training.config import PublishedConfig, TrainConfig
from training.errors import Diverged
from training.evaluate import evaluate
from training.inputs import Prepared
from training.objective import Objective
from training.reproduce.results import TutorialCost
from training.tensorflow_import import import_keras, import_tensorflow

Tensor = Any
KerasModel = Any

_UNTIMED_STEPS = 3
"""The first steps trace and compile."""
_TIMED_EPOCHS = 2
_TIMED_S = 2.0
_ENDLESS = 10**9


def time_tutorial(
    config: TrainConfig, published: PublishedConfig, data: Prepared, *, budget_s: float, compete_s: float | None
) -> TutorialCost | None:
    """Time an epoch, over at least two epochs and two seconds, but at most `budget_s`.

    With `compete_s` the fit goes on for that many seconds (or all of its epochs), and is evaluated on the test split.
    None where no settings are known.
    """
    if published.epochs is None or published.batch_size is None or published.optimizer is None:
        return None
    epoch_items = published.epoch_items or len(data.train)
    batch_size = min(published.batch_size, epoch_items)
    epoch_steps = math.ceil(epoch_items / batch_size)
    config = _as_published(config)
    model = build(config, data)
    all_steps = published.epochs * epoch_steps
    if compete_s is None:
        clock = _Clock(min(_TIMED_S, budget_s), _TIMED_EPOCHS * epoch_steps, budget_s, all_steps)
    else:
        clock = _Clock(compete_s, 0, compete_s, all_steps)
    _fit(Objective(model, config, data.spec.value_range), published, data, batch_size, clock)
    figures: dict[str, float] = {}
    if compete_s is not None:
        with suppress(Diverged):  # then nothing is to beat, and our own row is none the worse
            figures = dict(evaluate(model, data, config).metrics)
    figure = figures.get(published.metric)
    return TutorialCost(
        steps_timed=clock.steps,
        epoch_s=clock.seconds / clock.steps * epoch_steps,
        epochs=published.epochs,
        figure=figure,
        figure_after_s=None if figure is None else clock.seconds,
        figures=figures,
    )


@dataclass
class _Clock:
    """Counts steps and seconds after the first, untimed steps."""

    least_s: float
    least_steps: int
    most_s: float
    most_steps: int
    steps: int = 0
    seconds: float = 0.0
    untimed: int = _UNTIMED_STEPS
    started: float = 0.0

    def step(self) -> bool:
        """Count a finished step; return whether to do another."""
        if self.untimed:
            self.untimed -= 1
            self.started = time.perf_counter()
            return True
        self.steps += 1
        self.seconds = time.perf_counter() - self.started
        wanted = self.seconds < self.least_s or self.steps < self.least_steps
        return wanted and self.seconds < self.most_s and self.steps < self.most_steps


def _as_published(config: TrainConfig) -> TrainConfig:
    """Change a recipe to its published form: one start, the usual initial weights, no warm-up of the kl."""
    return config.model_copy(
        update={
            "objective": config.objective.model_copy(update={"kl_warmup": 0.0, "free_bits": 0.0}),
            "training": config.training.model_copy(update={"bias_from_mean": False, "restarts": 1}),
            "latent": config.latent.model_copy(update={"bias": 0.0}),
        }
    )


def _fit(objective: Objective, published: PublishedConfig, data: Prepared, batch_size: int, clock: _Clock) -> None:
    keras = import_keras()
    callback: Any = keras.callbacks.Callback

    class Stop(callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002 - Keras names them
            if not clock.step():
                self.model.stop_training = True

    options = {} if published.learning_rate is None else {"learning_rate": published.learning_rate}
    trainer = _trainer(objective)
    trainer.compile(optimizer=keras.optimizers.get({"class_name": published.optimizer, "config": options}))
    labels = objective.model.one_hot(data.train.labels, len(data.train))
    order = np.arange(published.epoch_items or len(data.train)) % len(data.train)
    items = data.train.x[order] if labels is None else (data.train.x[order], labels[order])
    # More epochs than can be wanted: the callback ends it.
    trainer.fit(items, batch_size=batch_size, epochs=_ENDLESS, shuffle=True, verbose=0, callbacks=[Stop()])


def _trainer(objective: Objective) -> KerasModel:
    """Wrap our model as a Keras model whose step has the recipe's loss, a mean an element if deterministic."""
    tf, keras = import_tensorflow(), import_keras()
    model = objective.model
    base: Any = keras.Model
    beta = objective.config.objective.full_beta
    share = 1.0 if model.gaussian else 1.0 / math.prod(model.shape)

    class Trainer(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = model.networks.encoder, model.networks.decoder

        def train_step(self, batch: Tensor) -> dict[str, Tensor]:
            items, labels = keras.utils.unpack_x_y_sample_weight(batch)[0], None
            if isinstance(items, tuple):
                items, labels = items
            seed = tf.random.uniform((2,), maxval=2**30, dtype=tf.int32)
            with tf.GradientTape() as tape:
                x = objective.look(items, seed)
                loss = share * objective.outcome(x, labels, beta, seed, training=True).loss
            self.optimizer.apply(tape.gradient(loss, model.trainable), model.trainable)
            return {"loss": loss}

    return Trainer()
