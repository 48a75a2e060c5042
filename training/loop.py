"""The training loop. All random numbers follow from (seed, start, epoch, step), so a resumed run repeats itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from training.autoencoder import Autoencoder, build, can_stack, stack, unstack
from training.config import TrainConfig
from training.errors import Diverged
from training.inputs import Prepared
from training.losses import beta_at
from training.objective import VALIDATION, Objective, step_seed
from training.precision import computing_in
from training.progress import Reporter
from training.runs import Checkpoint, HistoryRow, Run
from training.tensorflow_import import import_keras, import_tensorflow

Tensor = Any
Optimizer = Any
Array = NDArray[Any]

_VALIDATION_BATCH = 500
_VALIDATION_DRAWS = 500
"""Least items of one validation: a small split is evaluated with several draws of the noise."""
_STEPS_A_CALL = 32
"""Optimizer steps in one call of the compiled function: one call each costs as much as a small step; Ctrl-C waits."""
_CHECKPOINT_SHARE = 0.05
"""Largest share of the run's time for writing checkpoints; the first epoch's is always written."""


@dataclass(frozen=True)
class Fitted:
    """Result of `fit`: the history and the seconds that it took."""

    history: list[HistoryRow]
    """A row an epoch: epoch, beta, loss, nll, kl on training batches, val_loss, val_nll, val_kl on the validation
    split, each the mean in nats per item but for a loss that has another form."""
    seconds: float
    """Seconds of all epochs of all starts, without tracing the step (one to three seconds for any network)."""


def fit(
    model: Autoencoder, data: Prepared, config: TrainConfig, run: Run, report: Reporter, *, resume: bool = False
) -> Fitted:
    """Train until all epochs are done or the validation loss no longer falls; keep the best epoch's weights.

    A recipe with restarts does so from as many starts, side by side where its network allows it, else one after the
    other, and keeps that with the lowest validation loss. Whenever `report` hears of an epoch, `model` is as it was
    then: the start that is best in it.

    Raises Diverged, NothingToResume or BadSetting.
    """
    return _Fit(model, data, config, run, report).run_to_the_end(resume=resume)


class _Fit:
    def __init__(self, model: Autoencoder, data: Prepared, config: TrainConfig, run: Run, report: Reporter) -> None:
        self._shown, self._data, self._config, self._run, self._report = model, data, config, run, report
        restarts = config.training.restarts
        self._stacked = can_stack(config)
        self._side_by_side, self._in_turn = (restarts, 1) if self._stacked else (1, restarts)
        self._model = model
        if self._stacked:
            self._model = stack(config, [model, *(build(config, data, start) for start in range(1, restarts))])
        training, items = config.training, len(data.train)
        self._batch_size = min(training.batch_size, items)
        self._pass_steps = items // self._batch_size  # what is left over differs from pass to pass
        self._passes = math.ceil(training.min_epoch_steps / self._pass_steps)
        self._steps = self._passes * self._pass_steps
        self._optimizer = _optimizer(config, training.epochs * self._steps)
        self._optimizer.build(self._model.trainable)
        self._untouched = _values(self._optimizer.variables)
        self._x_train = import_tensorflow().constant(data.train.x)
        self._objective = Objective(self._model, config, data.spec.value_range)
        self._train_steps = self._compile_training(self._objective)
        self._elbo_epochs = round(config.objective.samples_from * training.epochs)
        if self._elbo_epochs:
            self._elbo_steps = self._compile_training(self._objective.of_one_sample())
        self._validation_step = self._compile_validation()
        self._began = time.perf_counter()
        self._history: list[HistoryRow] = []
        self._best = _values(self._model.state)
        self._saved_at = self._save_took = 0.0

    def run_to_the_end(self, *, resume: bool) -> Fitted:
        if resume:
            checkpoint = self._run.load()
            self._history, self._best = checkpoint.history, list(checkpoint.best)
            _assign(self._model.state, checkpoint.state)
            _assign(self._optimizer.variables, checkpoint.optimizer)
        for start in range(self._in_turn):
            self._run_start(start)
        _assign(self._model.state, self._best)
        kept = int(self._kept_row()["start"])
        self._show(kept)
        rows = [row for row in self._history if row["start"] == kept]
        history = [{key: value for key, value in row.items() if key != "start"} for row in rows]
        return Fitted(history, time.perf_counter() - self._began)

    def _run_start(self, start: int) -> None:
        training, objective = self._config.training, self._config.objective
        done = len({row["epoch"] for row in self._of(start)})
        if done == 0 and start > 0:
            _assign(self._model.state, _values(build(self._config, self._data, start).state))
            _assign(self._optimizer.variables, self._untouched)
        for epoch in range(done, training.epochs):
            if self._stopped_improving(start):
                break
            beta = beta_at(epoch, epochs=training.epochs, beta=objective.full_beta, kl_warmup=objective.kl_warmup)
            trained = self._train_epoch(start, epoch, beta)
            validated = self._validate(start)
            self._record(start, epoch, beta, np.concatenate([trained, validated]))

    def _train_epoch(self, start: int, epoch: int, beta: float) -> Array:
        """Train one epoch; return the means of loss, nll and kl over its batches: (3, side by side)."""
        tf = import_tensorflow()
        shuffle = np.random.default_rng((self._config.training.seed + start, epoch))
        kept = self._pass_steps * self._batch_size
        order = np.concatenate([shuffle.permutation(len(self._data.train))[:kept] for _ in range(self._passes)])
        order = order.reshape(self._steps, self._batch_size)
        sums = np.zeros((3, self._side_by_side))
        train_steps = self._elbo_steps if epoch < self._elbo_epochs else self._train_steps
        for first in range(0, self._steps, _STEPS_A_CALL):
            rows = tf.constant(order[first : first + _STEPS_A_CALL])
            step = tf.constant(epoch * self._steps + first)
            sums += train_steps(rows, step, tf.constant(beta, tf.float32), tf.constant(start)).numpy()
        return sums / self._steps

    def _compile_training(self, objective: Objective) -> Callable[..., Tensor]:
        tf = import_tensorflow()
        model, optimizer = self._model, self._optimizer
        train, seed = self._data.train, self._config.training.seed
        x_train = self._x_train  # (n, *shape)
        one_hot = model.one_hot(train.labels, len(train))
        y_train = None if one_hot is None else tf.constant(one_hot)  # (n, classes)

        def train_step(rows: Tensor, step: Tensor, beta: Tensor, start: Tensor) -> Tensor:
            own_seed = step_seed(seed, start, step)
            x = objective.look(tf.gather(x_train, rows), own_seed)  # (b, *shape)
            labels = None if y_train is None else tf.gather(y_train, rows)
            with tf.GradientTape() as tape:
                outcome = objective.outcome(x, labels, beta, own_seed, training=True)
                loss = tf.reduce_sum(outcome.loss)  # starts do not share a weight
            optimizer.apply(tape.gradient(loss, model.trainable), model.trainable)
            return tf.stack([tf.reshape(term, (-1,)) for term in (outcome.loss, outcome.nll, outcome.kl)])

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, self._batch_size), tf.int64),
                tf.TensorSpec((), tf.int32),
                tf.TensorSpec((), tf.float32),
                tf.TensorSpec((), tf.int32),
            ]
        )  # type: ignore[untyped-decorator]
        def train_steps(rows: Tensor, first: Tensor, beta: Tensor, start: Tensor) -> Tensor:
            sums = tf.zeros((3, self._side_by_side))
            for i in tf.range(tf.shape(rows)[0]):
                sums += train_step(rows[i], first + i, beta, start)
            return sums

        with computing_in(self._config.training.precision, model.networks):
            compiled: Callable[..., Tensor] = train_steps.get_concrete_function()
        return compiled

    def _compile_validation(self) -> Callable[..., Tensor]:
        tf = import_tensorflow()
        objective, seed = self._objective, self._config.training.seed
        full_beta = self._config.objective.full_beta

        def validation_step(x: Tensor, labels: Tensor | None, batch: Tensor, start: Tensor) -> Tensor:
            outcome = objective.outcome(
                x, labels, full_beta, step_seed(seed + VALIDATION, start, batch), training=False
            )
            return tf.stack([tf.reshape(term, (-1,)) for term in (outcome.loss, outcome.nll, outcome.kl)])

        compiled: Callable[..., Tensor] = tf.function(validation_step, reduce_retracing=True)
        return compiled

    def _validate(self, start: int) -> Array:
        """Loss, nll and kl of the validation split, always with the same noise and full beta: (3, side by side)."""
        tf = import_tensorflow()
        split = self._data.validation
        one_hot = self._model.one_hot(split.labels, len(split))
        draws = math.ceil(_VALIDATION_DRAWS / len(split)) if self._is_noisy else 1
        sums = np.zeros((3, self._side_by_side))
        for draw in range(draws):
            for i in range(0, len(split), _VALIDATION_BATCH):
                x = split.x[i : i + _VALIDATION_BATCH]
                labels = None if one_hot is None else tf.constant(one_hot[i : i + _VALIDATION_BATCH])
                batch = tf.constant(draw * len(split) + i)
                sums += len(x) * self._validation_step(tf.constant(x), labels, batch, tf.constant(start)).numpy()
        return sums / (draws * len(split))

    @property
    def _is_noisy(self) -> bool:
        return self._model.gaussian or self._config.corrupt.noise > 0

    def _record(self, start: int, epoch: int, beta: float, terms: Array) -> None:
        """Add the epoch's rows to the history, one a start; `terms` is (6, side by side)."""
        if not np.isfinite(terms).all(axis=0).any():
            self._give_up(epoch, loss=terms[0, 0], val_loss=terms[3, 0])
        for offset, (loss, nll, kl, val_loss, val_nll, val_kl) in enumerate(terms.T.tolist()):
            self._history.append(
                {"start": start + offset, "epoch": epoch + 1, "beta": beta, "loss": loss, "nll": nll, "kl": kl}
                | {"val_loss": val_loss, "val_nll": val_nll, "val_kl": val_kl}
            )
        shown = min(self._history[-self._side_by_side :], key=_finite_val_loss)
        kept = self._kept_row()
        if (kept["start"], kept["epoch"]) == (shown["start"], shown["epoch"]):
            self._best = _values(self._model.state)
        self._save()
        total, training = self._in_turn * self._config.training.epochs, self._config.training
        self._show(int(shown["start"]))
        self._report.epoch(start * training.epochs + epoch + 1, total, shown)

    def _give_up(self, epoch: int, *, loss: float, val_loss: float) -> NoReturn:
        kept = ""
        if self._history:
            _assign(self._model.state, self._best)
            self._save(at_once=True)
            kept = f"; the checkpoint keeps the weights of epoch {self._kept_row()['epoch']}"
        raise Diverged(
            f"the loss is {loss:g} (validation {val_loss:g}) after epoch {epoch + 1};"
            f" lower optimizer.learning_rate{kept}"
        )

    def _show(self, start: int) -> None:
        """Copy one of the starts that train side by side into the caller's model."""
        if self._stacked:
            unstack(self._model, start, self._shown)

    def _save(self, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._saved_at < self._save_took / _CHECKPOINT_SHARE:
            return
        began = time.monotonic()
        checkpoint = Checkpoint(
            self._history, _values(self._model.state), _values(self._optimizer.variables), self._best
        )
        self._run.save(checkpoint)
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - began

    def _of(self, start: int) -> list[HistoryRow]:
        """History rows of one start, or of all starts if they train side by side."""
        return self._history if self._stacked else [row for row in self._history if row["start"] == start]

    def _kept_row(self) -> HistoryRow:
        """Find the history row whose weights are kept; without patience, only the last row of a start counts."""
        training, rows = self._config.training, self._history
        if training.patience == 0:
            rows = [row for row in rows if row["epoch"] == training.epochs] or rows[-self._side_by_side :]
        return min(rows, key=_finite_val_loss)

    def _stopped_improving(self, start: int) -> bool:
        rows, patience = self._of(start), self._config.training.patience
        if not rows or not patience:
            return False
        return rows[-1]["epoch"] - min(rows, key=_finite_val_loss)["epoch"] >= patience


def kept_epoch(history: Sequence[HistoryRow], patience: int) -> int:
    """Find the epoch (from 1) whose weights are kept: the earliest one with the lowest validation loss.

    Without patience it is the last.
    """
    return 1 + int(np.argmin([row["val_loss"] for row in history])) if patience else len(history)


def _finite_val_loss(row: HistoryRow) -> float:
    return row["val_loss"] if math.isfinite(row["val_loss"]) else math.inf


def _optimizer(config: TrainConfig, steps: int) -> Optimizer:
    keras = import_keras()
    options = config.optimizer
    warmup = round(options.warmup * steps)
    if options.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else options.learning_rate,
            decay_steps=max(1, steps - warmup),
            warmup_target=options.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    else:
        rate = keras.optimizers.schedules.PolynomialDecay(
            options.learning_rate / (warmup + 1), max(1, warmup), options.learning_rate
        )
    kinds = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "adadelta": keras.optimizers.Adadelta}
    return kinds[options.kind](rate, epsilon=options.epsilon)


def _values(variables: Sequence[Any]) -> list[Array]:
    return [np.array(variable.numpy()) for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
