"""Trains `mnist-vae` on mnist-5k as a user would, and evaluates it on the 10,000 MNIST test digits.

    python -m benchmarks.mnist_vae --data-dir DIR [--store DIR]

Prints reconstruction MSE and 5-NN accuracy of the codes (neighbours: the 5,000 digits of mnist-5k) and the Fréchet
distance of 10,000 samples in the features of a small classifier, each beside PCA with as many dimensions (its samples:
from a mixture of ten Gaussians), fitted to the same training digits; the ELBO, the importance-weighted bound with 500
samples, and how long the run took. Exits 1 where ours is not better on MSE or Fréchet distance, or below 0.93, or
training took 90 s or more.
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
from model_store.arrays import Float32
from model_store.scoring import kl_per_item, mse_per_item, nll_per_item
from training.data.mnist import load_mnist
from training.data.mnist_5k import load_mnist_5k
from training.data.splits import split
from training.evaluate import knn_accuracy, pca
from training.reproduce.generation import frechet_figures
from training.reproduce.importance import importance_nll
from training.reproduce.served import Served

RECIPE = "mnist-vae"
MIN_KNN_ACCURACY = 0.93
MAX_TRAINING_S = 90.0
BOUND_SAMPLES = 500


def main() -> int:
    """Train, measure and print; return 0 where every figure reaches its bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="holds mnist/ with the four IDX files")
    parser.add_argument("--store", type=Path, help="keep the version there (default: a temporary store)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        store = arguments.store or Path(temporary)
        started = time.monotonic()
        result = training.train(training.configure(RECIPE), store=store, progress=True)
        took_s = time.monotonic() - started
        return measure(Served(result.report.parent, result.manifest), arguments.data_dir, took_s)


def measure(served: Served, data_dir: Path, took_s: float) -> int:
    """Measure a version, and compare its figures with the bounds."""
    small, mnist, dim = load_mnist_5k(), load_mnist("mnist", data_dir), served.manifest.latent.dim
    neighbours, unseen = (
        images.astype(np.float32) / np.float32(255) for images in (small.inputs, mnist.inputs[-10_000:])
    )
    if small.labels is None or mnist.labels is None:
        raise SystemExit("both data sets must have labels")
    labels, unseen_labels = small.labels, mnist.labels[-10_000:]
    codes, unseen_codes = (served.encode(x)[0] for x in (neighbours, unseen))
    mse = float(mse_per_item(unseen, served.decode(unseen_codes)).mean())
    knn = knn_accuracy(codes, labels, unseen_codes, unseen_labels)

    train = split(len(small)).train
    _, pca_unseen_codes, pca_outputs = pca(neighbours[train], unseen, dim)
    _, pca_codes, _ = pca(neighbours[train], neighbours, dim)
    pca_mse = float(mse_per_item(unseen, pca_outputs).mean())
    pca_knn = knn_accuracy(pca_codes, labels, pca_unseen_codes, unseen_labels)
    distances = frechet_figures(served, neighbours[train], labels[train], unseen)
    bound = -float(importance_nll(served, unseen, samples=BOUND_SAMPLES).mean())

    table = Table(title="10,000 MNIST test digits")
    for column in ("", f"{served.manifest.name}@{served.manifest.version}", f"PCA-{dim}", "must be"):
        table.add_column(column, justify="right")
    table.add_row("MSE", f"{mse:.4f}", f"{pca_mse:.4f}", "below PCA's")
    table.add_row("5-NN accuracy", f"{knn:.4f}", f"{pca_knn:.4f}", f"at least {MIN_KNN_ACCURACY}")
    table.add_row("Fréchet distance", f"{distances['frechet']:.2f}", f"{distances['pca_frechet']:.2f}", "below PCA's")
    table.add_row("ELBO, nats", f"{elbo(served, unseen):.2f}", "", "")
    table.add_row(f"bound of {BOUND_SAMPLES} samples, nats", f"{bound:.2f}", "", "")
    table.add_row("training, s", f"{took_s:.1f}", "", f"below {MAX_TRAINING_S:.0f}")
    Console().print(table)
    better = mse < pca_mse and distances["frechet"] < distances["pca_frechet"]
    return 0 if better and knn >= MIN_KNN_ACCURACY and took_s < MAX_TRAINING_S else 1


def elbo(served: Served, x: Float32) -> float:
    """Mean ELBO of items (n, *shape) in nats, with one posterior sample for each item."""
    z_mean, z_log_var = served.encode(x)
    if z_log_var is None:
        raise SystemExit(f"{served.manifest.name} has no posterior")
    noise = np.random.default_rng(0).standard_normal(z_mean.shape, np.float32)
    outputs = served.decode(z_mean + np.exp(0.5 * z_log_var) * noise)
    nll = nll_per_item(x, outputs, served.manifest.likelihood)
    return -float((nll + kl_per_item(z_mean, z_log_var)).mean())


if __name__ == "__main__":
    sys.exit(main())
