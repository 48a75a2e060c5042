"""The training loop. Whatever is random in it follows from (seed, epoch, step), so a resumed run repeats itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.augment import augment
from training.autoencoder import Autoencoder
from training.config import TrainConfig
from training.errors import Diverged
from training.inputs import Prepared
from training.losses import beta_at, kl_per_dimension, kl_with_free_bits, sample_posterior
from training.progress import Reporter
from training.runs import Checkpoint, HistoryRow, Run
from training.tensorflow_import import import_keras, import_tensorflow

Tensor = Any
Optimizer = Any
Array = NDArray[Any]

_POSTERIOR, _AUGMENT, _VALIDATION = 0, 1, 2  # what a draw is for: part of its seed
_STREAMS = 3
_VALIDATION_BATCH = 500


@dataclass(frozen=True)
class _Terms:
    """Sums over a batch's items, from which loss, nll and kl follow for any number of batches."""

    item_error: Tensor
    """(b,)"""
    kl: Tensor
    """(b, d); zeros (b, 1) where the code is deterministic."""


def fit(
    model: Autoencoder, data: Prepared, config: TrainConfig, run: Run, report: Reporter, *, resume: bool
) -> list[HistoryRow]:
    """Train until the epochs are over or the validation loss has stopped falling; keep the best epoch's weights.

    Returns one row an epoch: epoch, beta, loss, nll, kl on training batches, val_loss, val_nll, val_kl on the
    validation split, each the mean in nats per item. Raises Diverged, or NothingToResume.
    """
    tf = import_tensorflow()
    training, elements = config.training, math.prod(model.shape)
    items = len(data.train)
    batch_size = min(training.batch_size, items)
    pass_steps = items // batch_size  # what is left over differs from pass to pass
    passes = math.ceil(training.min_epoch_steps / pass_steps)
    steps = passes * pass_steps
    optimizer = _optimizer(config, training.epochs * steps)
    optimizer.build(model.trainable)
    x_train = tf.constant(data.train.x)  # (n, *shape)

    def forward(x: Tensor, seed: Tensor, *, training: bool) -> _Terms:
        z_mean, z_log_var = model.encode(x, training=training)  # (b, d) each
        z = z_mean if z_log_var is None else sample_posterior(z_mean, z_log_var, seed)  # (b, d)
        logits = model.decode_logits(z, training=training)  # (b, *shape)
        kl = tf.zeros((tf.shape(x)[0], 1)) if z_log_var is None else kl_per_dimension(z_mean, z_log_var)
        return _Terms(model.likelihood.item_error(x, logits), kl)

    @tf.function(
        input_signature=[
            tf.TensorSpec((batch_size,), tf.int64),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.float32),
        ]
    )  # type: ignore[untyped-decorator]
    def train_step(rows: Tensor, step: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = tf.gather(x_train, rows)  # (b, *shape)
        if config.augment.active:
            x = augment(x, config.augment, _seed(config, step, _AUGMENT))
        with tf.GradientTape() as tape:
            terms = forward(x, _seed(config, step, _POSTERIOR), training=True)
            nll = model.likelihood.nll(tf.reduce_mean(terms.item_error), elements)  # scalar
            loss = nll + beta * kl_with_free_bits(terms.kl, config.objective.free_bits)  # scalar
        optimizer.apply(tape.gradient(loss, model.trainable), model.trainable)
        return loss, nll, tf.reduce_sum(tf.reduce_mean(terms.kl, axis=0))

    @tf.function(input_signature=[tf.TensorSpec((None, *model.shape), tf.float32), tf.TensorSpec((), tf.int32)])  # type: ignore[untyped-decorator]
    def validation_step(x: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        terms = forward(x, _seed(config, batch, _VALIDATION), training=False)
        return terms.item_error, terms.kl

    def validate() -> tuple[float, float, float]:
        """Loss, nll and kl of the validation split: always the same noise, always the full beta."""
        x = data.validation.x
        starts = range(0, len(x), _VALIDATION_BATCH)
        parts = [validation_step(tf.constant(x[i : i + _VALIDATION_BATCH]), tf.constant(i)) for i in starts]
        item_error, kl = (tf.concat(part, axis=0) for part in zip(*parts, strict=True))  # (n,), (n, d)
        nll = model.likelihood.nll(tf.reduce_mean(item_error), elements)
        loss = nll + config.objective.beta * kl_with_free_bits(kl, config.objective.free_bits)
        return float(loss), float(nll), float(tf.reduce_sum(tf.reduce_mean(kl, axis=0)))

    history: list[HistoryRow] = []
    best = _values(model.state)
    if resume:
        checkpoint = run.load()
        history, best = checkpoint.history, list(checkpoint.best)
        _assign(model.state, checkpoint.state)
        _assign(optimizer.variables, checkpoint.optimizer)

    for epoch in range(len(history), training.epochs):
        if _stopped_improving(history, training.patience):
            break
        beta = beta_at(epoch, epochs=training.epochs, beta=config.objective.beta, kl_warmup=config.objective.kl_warmup)
        shuffle = np.random.default_rng((training.seed, epoch))
        order = np.concatenate([shuffle.permutation(items)[: pass_steps * batch_size] for _ in range(passes)])
        sums = np.zeros(3)
        for step, rows in enumerate(order.reshape(steps, batch_size), start=epoch * steps):
            sums += [
                float(term) for term in train_step(tf.constant(rows), tf.constant(step), tf.constant(beta, tf.float32))
            ]
        loss, nll, kl = sums / steps
        val_loss, val_nll, val_kl = validate()
        if not math.isfinite(loss + val_loss):
            raise Diverged(
                f"the loss is {loss:g} (validation {val_loss:g}) after epoch {epoch + 1}; lower optimizer.learning_rate"
            )
        history.append(
            {"epoch": epoch + 1, "beta": beta, "loss": loss, "nll": nll, "kl": kl}
            | {"val_loss": val_loss, "val_nll": val_nll, "val_kl": val_kl}
        )
        if kept_epoch(history, training.patience) == epoch + 1:
            best = _values(model.state)
        run.save(Checkpoint(history, _values(model.state), _values(optimizer.variables), best))
        report.epoch(epoch + 1, training.epochs, history[-1])

    _assign(model.state, best)
    return history


def kept_epoch(history: Sequence[HistoryRow], patience: int) -> int:
    """The epoch, counted from 1, whose weights are kept: that of the lowest validation loss, the earliest of equals.

    Without patience it is the last.
    """
    return 1 + int(np.argmin([row["val_loss"] for row in history])) if patience else len(history)


def _stopped_improving(history: Sequence[HistoryRow], patience: int) -> bool:
    return bool(history) and patience > 0 and len(history) - kept_epoch(history, patience) >= patience


def _optimizer(config: TrainConfig, steps: int) -> Optimizer:
    keras = import_keras()
    warmup = round(config.optimizer.warmup * steps)
    peak = config.optimizer.learning_rate
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=max(1, steps - warmup),
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    return keras.optimizers.Adam(rate)


def _seed(config: TrainConfig, step: Tensor, purpose: int) -> Tensor:
    """(2,) for the stateless random functions: a stream of its own for each step and purpose."""
    tf = import_tensorflow()
    return tf.stack([tf.constant(config.training.seed), step * _STREAMS + purpose])


def _values(variables: Sequence[Any]) -> list[Array]:
    return [np.array(variable.numpy()) for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
