"""`mnist-vae`, trained on mnist-5k as a user would, on the 10,000 MNIST test digits that it never saw.

    python benchmarks/mnist_vae.py --data-dir DIR [--store DIR]

Prints reconstruction MSE and 5-NN accuracy of the codes (neighbours: the 5,000 digits of mnist-5k) beside PCA with as
many dimensions, fitted to the same training digits, and how long the run took; exits 1 where ours is not better on
MSE, or below 0.93, or training took 90 s or more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import training
from model_store.manifest import Manifest
from model_store.scoring import mse_per_item
from training.data.mnist import load_mnist
from training.data.mnist_5k import load_mnist_5k
from training.data.splits import split
from training.evaluate import Float32, knn_accuracy, pca
from training.tensorflow_import import import_tensorflow

RECIPE = "mnist-vae"
MIN_KNN_ACCURACY = 0.93
MAX_TRAINING_S = 90.0
BATCH = 500


def main() -> int:
    """Train, measure, print; 0 where every figure holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="holds mnist/ with the four IDX files")
    parser.add_argument("--store", type=Path, help="keep the version there (default: a temporary store)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        store = arguments.store or Path(temporary)
        started = time.monotonic()
        result = training.train(training.configure(RECIPE), store=store, progress=True)
        took_s = time.monotonic() - started
        return measure(result.report.parent, result.manifest, arguments.data_dir, took_s)


def measure(version: Path, manifest: Manifest, data_dir: Path, took_s: float) -> int:
    """Hold a version to the figures."""
    small, mnist = load_mnist_5k(), load_mnist("mnist", data_dir)
    neighbours, unseen = (
        images.astype(np.float32) / np.float32(255) for images in (small.inputs, mnist.inputs[-10_000:])
    )
    if small.labels is None or mnist.labels is None:
        raise SystemExit("both data sets must have labels")
    labels, unseen_labels = small.labels, mnist.labels[-10_000:]
    codes, unseen_codes = (_run(version / "encoder", "z_mean", x=x) for x in (neighbours, unseen))
    mse = float(mse_per_item(unseen, _run(version / "decoder", "outputs", z=unseen_codes)).mean())
    knn = knn_accuracy(codes, labels, unseen_codes, unseen_labels)

    trained_on = neighbours[split(len(small)).train]
    _, pca_unseen_codes, pca_outputs = pca(trained_on, unseen, manifest.latent.dim)
    _, pca_codes, _ = pca(trained_on, neighbours, manifest.latent.dim)
    pca_mse = float(mse_per_item(unseen, pca_outputs).mean())
    pca_knn = knn_accuracy(pca_codes, labels, pca_unseen_codes, unseen_labels)

    table = Table(title="10,000 MNIST test digits")
    for column in ("", f"{manifest.name}@{manifest.version}", f"PCA-{manifest.latent.dim}", "must be"):
        table.add_column(column, justify="right")
    table.add_row("MSE", f"{mse:.4f}", f"{pca_mse:.4f}", "below PCA's")
    table.add_row("5-NN accuracy", f"{knn:.4f}", f"{pca_knn:.4f}", f"at least {MIN_KNN_ACCURACY}")
    table.add_row("training, s", f"{took_s:.1f}", "", f"below {MAX_TRAINING_S:.0f}")
    Console().print(table)
    return 0 if mse < pca_mse and knn >= MIN_KNN_ACCURACY and took_s < MAX_TRAINING_S else 1


def _run(saved_model: Path, output: str, **inputs: Float32) -> Float32:
    """One output of a SavedModel for any number of items."""
    tf = import_tensorflow()
    signature = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    ((name, items),) = inputs.items()
    parts = [
        signature(**{name: tf.constant(items[i : i + BATCH])})[output].numpy() for i in range(0, len(items), BATCH)
    ]
    return np.concatenate(parts)


if __name__ == "__main__":
    sys.exit(main())
