"""Trains the models of the benchmark for a short time: speed does not depend on the values of weights.

    python -m benchmarks.serving.train_models DIRECTORY

Runs in a process of its own, so that the measuring processes do not load TensorFlow. Next to each store it writes
TensorFlow's own answers, made with `tf.saved_model.load` and no code of the service.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import training
from benchmarks.serving.models import CONVOLUTIONAL, DENSE, REFERENCE, TWO_VERSIONS
from model_store.heldout import read_heldout
from model_store.manifest import Manifest

RECIPES = {DENSE: "mnist-vae-mse", CONVOLUTIONAL: "mnist-vae"}
EPOCHS = 2
ITEMS = 64


def main() -> int:
    """Train and publish the models, and write TensorFlow's answers."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    directory = Path(sys.argv[1])
    for name in RECIPES:
        manifest = train(directory / name, name, seed=0)
        answers = reference(directory / name / name / str(manifest.version), manifest)
        np.savez(directory / name / REFERENCE, allow_pickle=False, **answers)
    for seed in (0, 1):
        train(directory / TWO_VERSIONS, DENSE, seed=seed)
    return 0


def train(store: Path, name: str, *, seed: int) -> Manifest:
    """Train a model, and publish it as the next version of `name`."""
    config = training.configure(RECIPES[name], data="mnist-5k", epochs=EPOCHS, seed=seed)
    return training.train(config, store=store, name=name, pictures=False).manifest


def reference(version: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    """TensorFlow's answers to the first held-out items, in the form that `cases.Items` reads."""
    import tensorflow as tf

    inputs = read_heldout(version / "heldout.npz", manifest).inputs[:ITEMS]
    encoder, decoder = (tf.saved_model.load(str(version / half)) for half in ("encoder", "decoder"))
    codes = encoder.signatures["serving_default"](x=tf.constant(inputs / np.float32(255), tf.float32))
    outputs = decoder.signatures["serving_default"](z=codes["z_mean"])["outputs"]
    arrays = {"z_mean": codes["z_mean"], "z_log_var": codes["z_log_var"], "outputs": outputs}
    return {"inputs": inputs, **{name: tensor.numpy() for name, tensor in arrays.items()}}


if __name__ == "__main__":
    sys.exit(main())
