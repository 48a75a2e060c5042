"""Measures the cost of a training step on this machine, and what makes it faster, as ratios within one run.

    python -m benchmarks.training_speed [--data-dir DIR] [--recipe NAME]... [--seconds 2] [--rounds 3]

For a dense and a convolutional autoencoder: items a second of an ordinary Keras fit, of a compiled step fed from memory
or by tf.data, of several steps a call, of other batch sizes, with XLA, with inner layers in bfloat16, and (each in a
process of its own) with one thread and without oneDNN. The variants take turns, round after round; the ratio is to the
plain compiled step of the same round, its median over the rounds. Data: the recipe's own in DIR, without DIR the digits
of mnist-5k.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import training
from training.autoencoder import Autoencoder, build
from training.config import TrainConfig
from training.data import load
from training.inputs import Prepared, prepare
from training.precision import Precision, computing_in
from training.tensorflow_import import import_keras, import_tensorflow

RECIPES = ("fashion-deep-ae", "fashion-conv-ae")
BATCH = 256
PLAIN = f"compiled step, batch {BATCH}, from memory"
OTHER_PROCESSES = {
    "the same, one thread": {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
    "the same, oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}

Advance = Callable[[], int]
"""Runs some training steps, and returns the number of items in them."""


def main() -> int:
    """Measure every variant, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--recipe", action="append", choices=training.recipe_names())
    parser.add_argument("--seconds", type=float, default=2.0, help="of each variant in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-plain", action="store_true", help="print the plain step's items a second, as JSON")
    arguments = parser.parse_args()
    for recipe in arguments.recipe or RECIPES:
        config, data = prepared(recipe, arguments.data_dir)
        if arguments.only_plain:
            print(json.dumps(items_a_second(plain_step(config, data, BATCH), arguments.seconds)))
            continue
        rounds = [one_round(config, data, arguments) for _ in range(arguments.rounds)]
        show(recipe, data, rounds)
    return 0


def prepared(recipe: str, data_dir: Path | None) -> tuple[TrainConfig, Prepared]:
    """Load a recipe, and prepare its data."""
    config = training.configure(recipe, data=None if data_dir else "mnist-5k", data_dir=data_dir)
    return config, prepare(load(config.data, config.input), config)


def one_round(config: TrainConfig, data: Prepared, arguments: argparse.Namespace) -> dict[str, float]:
    """Measure one round: items a second of every variant."""
    variants: dict[str, Callable[[], Advance]] = {
        PLAIN: lambda: plain_step(config, data, BATCH),
        "Keras fit": lambda: keras_fit(config, data),
        "tf.data instead of memory": lambda: from_tf_data(config, data),
        "10 steps a call": lambda: several_steps(config, data, 10),
        "50 steps a call": lambda: several_steps(config, data, 50),
        "batch 64": lambda: plain_step(config, data, 64),
        "batch 128": lambda: plain_step(config, data, 128),
        "batch 512": lambda: plain_step(config, data, 512),
        "batch 1024": lambda: plain_step(config, data, 1024),
        "XLA (jit_compile)": lambda: plain_step(config, data, BATCH, xla=True),
        "inner layers in bfloat16": lambda: plain_step(config, data, BATCH, precision="bfloat16"),
        "validation pass": lambda: validation(config, data),
    }
    speeds = {name: items_a_second(make(), arguments.seconds) for name, make in variants.items()}
    for name, variables in OTHER_PROCESSES.items():
        speeds[name] = in_another_process(config.recipe, arguments, variables)
    return speeds


def items_a_second(advance: Advance, seconds: float) -> float:
    """Measure items a second, after one untimed call, in which TensorFlow traces."""
    advance()
    items, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds or not items:
        items += advance()
    return items / elapsed


def plain_step(
    config: TrainConfig, data: Prepared, batch: int, *, xla: bool = False, precision: Precision = "float32"
) -> Advance:
    """The variant with one gradient step in each call, with rows gathered from a tensor in memory."""
    tf = import_tensorflow()
    model = build(config, data)
    step, x = gradient_step(model), tf.constant(data.train.x)
    rows_of = tf.TensorSpec((batch,), tf.int64)
    call = tf.function(lambda rows: step(tf.gather(x, rows)), jit_compile=xla, input_signature=[rows_of])
    with computing_in(precision, model.networks):
        call.get_concrete_function()
    rng = np.random.default_rng(0)

    def advance() -> int:
        call(tf.constant(rng.integers(0, len(data.train), batch)))
        return batch

    return advance


def several_steps(config: TrainConfig, data: Prepared, steps: int) -> Advance:
    """The variant with several gradient steps in each call, so that Python runs once for all of them."""
    tf = import_tensorflow()
    model = build(config, data)
    step, x = gradient_step(model), tf.constant(data.train.x)

    @tf.function  # type: ignore[untyped-decorator]
    def call(order: Any) -> None:  # noqa: ANN401 - a tensor (steps, batch)
        for rows in order:
            step(tf.gather(x, rows))

    rng = np.random.default_rng(0)

    def advance() -> int:
        call(tf.constant(rng.integers(0, len(data.train), (steps, BATCH))))
        return steps * BATCH

    return advance


def from_tf_data(config: TrainConfig, data: Prepared) -> Advance:
    """The variant with one gradient step in each call, fed by a shuffling tf.data pipeline."""
    tf = import_tensorflow()
    model = build(config, data)
    call = tf.function(gradient_step(model))
    items = tf.data.Dataset.from_tensor_slices(data.train.x).shuffle(len(data.train), seed=0).repeat()
    batches = iter(items.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE))

    def advance() -> int:
        call(next(batches))
        return BATCH

    return advance


def keras_fit(config: TrainConfig, data: Prepared) -> Advance:
    """The variant of tutorials: Keras' compile and fit."""
    keras = import_keras()
    model = build(config, data)
    x = keras.Input(model.shape)
    outputs = keras.layers.Activation("sigmoid")(model.networks.decoder(model.networks.encoder(x)["z"]))
    whole = keras.Model(x, outputs)
    whole.compile(optimizer="adam", loss="binary_crossentropy")
    part = data.train.x[: 40 * BATCH]

    def advance() -> int:
        whole.fit(part, part, batch_size=BATCH, verbose=0)
        return len(part)

    return advance


def validation(config: TrainConfig, data: Prepared) -> Advance:
    """The variant without gradient: computes the error of the whole validation split, as after an epoch."""
    tf = import_tensorflow()
    model, x = build(config, data), data.validation.x[:500]
    call = tf.function(lambda items: model.likelihood.item_error(items, model.decode_logits(model.encode(items)[0])))

    def advance() -> int:
        call(tf.constant(x))
        return len(x)

    return advance


def gradient_step(model: Autoencoder) -> Callable[[Any], None]:
    """Make a function of x (b, *shape) that runs one Adam step on the mean error."""
    tf, keras = import_tensorflow(), import_keras()
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable)

    def step(x: Any) -> None:  # noqa: ANN401 - a tensor
        with tf.GradientTape() as tape:
            logits = model.decode_logits(model.encode(x, training=True)[0], training=True)
            loss = tf.reduce_mean(model.likelihood.item_error(x, logits))
        optimizer.apply(tape.gradient(loss, model.trainable), model.trainable)

    return step


def in_another_process(recipe: str, arguments: argparse.Namespace, variables: dict[str, str]) -> float:
    """Measure the plain step in a process whose TensorFlow has other environment variables."""
    command = [sys.executable, "-m", "benchmarks.training_speed", "--only-plain", "--recipe", recipe]
    command += ["--seconds", str(arguments.seconds)]
    command += ["--data-dir", str(arguments.data_dir)] if arguments.data_dir else []
    done = subprocess.run(command, env={**os.environ, **variables}, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def show(recipe: str, data: Prepared, rounds: list[dict[str, float]]) -> None:
    """Print the median over the rounds, and the spread of the ratios."""
    table = Table(title=f"{recipe}, {len(data.train)} training items, {len(rounds)} rounds")
    for heading in ("", "items/s", "ratio", "least", "most"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name in rounds[0]:
        ratios = [one[name] / one[PLAIN] for one in rounds]
        speed = statistics.median(one[name] for one in rounds)
        spread = (f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}", f"{max(ratios):.2f}")
        table.add_row(name, f"{speed:,.0f}", *spread)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
