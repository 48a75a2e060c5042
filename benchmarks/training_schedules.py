"""Compares learning-rate schedules and batch sizes by the loss that they reach in equal training time.

    python -m benchmarks.training_schedules [--data-dir DIR] [--recipe NAME] [--seconds 20]

Every variant is timed over two epochs, and then trained for as many epochs as fit into its seconds, by the product's
own training loop. Variants are compared by the lowest loss on the validation split. Data: the recipe's own in DIR,
without DIR the digits of mnist-5k.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

import training
from training.autoencoder import build
from training.data import load
from training.inputs import Prepared, prepare
from training.loop import fit
from training.progress import Silent
from training.runs import claim

VARIANTS: dict[str, dict[str, str]] = {
    "the recipe's: warm-up, then cosine": {},
    "cosine without warm-up": {"optimizer.warmup": "0"},
    "constant after the warm-up": {"optimizer.schedule": "constant"},
    "constant, a third of the rate": {"optimizer.schedule": "constant", "optimizer.learning_rate": "x 0.333"},
    "cosine, half the rate": {"optimizer.learning_rate": "x 0.5"},
    "cosine, twice the rate": {"optimizer.learning_rate": "x 2"},
    "cosine, half the batch": {"training.batch_size": "x 0.5"},
    "cosine, twice the batch": {"training.batch_size": "x 2"},
    "the output's bias not from the mean": {"training.bias_from_mean": "false"},
    "RMSprop, constant 0.001, batch 256": {
        "optimizer.kind": "rmsprop",
        "optimizer.schedule": "constant",
        "optimizer.warmup": "0",
        "optimizer.learning_rate": "0.001",
        "training.batch_size": "256",
    },
}
"""The settings of each variant; `x 2` is twice the recipe's value."""
_TIMED_EPOCHS = 2


def main() -> int:
    """Measure every variant, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--recipe", default="fashion-deep-ae", choices=training.recipe_names())
    parser.add_argument("--seconds", type=float, default=20.0, help="of each variant")
    arguments = parser.parse_args()
    table = Table(title=f"{arguments.recipe}: validation loss after {arguments.seconds:g} s of training")
    for heading in ("", "epochs", "s", "loss", "to the recipe's"):
        table.add_column(heading, justify="left" if not heading else "right")
    reference: float | None = None
    data: Prepared | None = None
    for name, changes in VARIANTS.items():
        settings = resolved(arguments.recipe, changes)
        if data is None:
            data = prepared(arguments.recipe, arguments.data_dir)
        _, two_s = trained(arguments.recipe, settings, data, _TIMED_EPOCHS)
        epochs = max(1, round(arguments.seconds * _TIMED_EPOCHS / two_s))
        loss, seconds = trained(arguments.recipe, settings, data, epochs)
        reference = loss if reference is None else reference
        table.add_row(name, str(epochs), f"{seconds:.1f}", f"{loss:.2f}", f"{loss - reference:+.2f}")
    Console().print(table)
    return 0


def prepared(recipe: str, data_dir: Path | None) -> Prepared:
    """Load and prepare the data of a recipe."""
    config = training.configure(recipe, data=None if data_dir else "mnist-5k", data_dir=data_dir)
    return prepare(load(config.data, config.input), config)


def resolved(recipe: str, changes: Mapping[str, str]) -> dict[str, str]:
    """Replace multiples such as `x 2` in settings by values, computed from the recipe's own."""
    config = training.load_recipe(recipe)
    own = {"optimizer.learning_rate": config.optimizer.learning_rate, "training.batch_size": config.training.batch_size}
    settings = {"training.patience": "0"}
    for key, value in changes.items():
        settings[key] = value
        if value.startswith("x "):
            scaled = own[key] * float(value[2:])
            settings[key] = str(round(scaled)) if key == "training.batch_size" else str(scaled)
    return settings


def trained(recipe: str, settings: Mapping[str, str], data: Prepared, epochs: int) -> tuple[float, float]:
    """Train; return the lowest validation loss in nats per item, and the seconds of the epochs."""
    config = training.configure(recipe, epochs=epochs, settings=dict(settings))
    with (
        tempfile.TemporaryDirectory() as scratch,
        claim(Path(scratch), recipe, config, f"{time.monotonic_ns()}") as run,
    ):
        fitted = fit(build(config, data), data, config, run, Silent())
    return min(row["val_loss"] for row in fitted.history), fitted.seconds


if __name__ == "__main__":
    sys.exit(main())
