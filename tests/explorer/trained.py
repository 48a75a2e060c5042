"""Trains what a browser is shown: `python -m tests.explorer.trained STORE`, a few seconds, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import training

NAME = "digits"
EPOCHS = {1: 1, 2: 12}
"""Of each version: the second tells digits apart, the first hardly, but has the figures of a report."""
SETTINGS = {
    "model.hidden": "[128]",
    "model.dropout": "0.0",
    "latent.dim": "8",
    "optimizer.learning_rate": "0.004",
}

if __name__ == "__main__":
    for version, epochs in EPOCHS.items():
        config = training.configure("mnist-vae-mlp", data="mnist-5k", settings=SETTINGS, epochs=epochs)
        training.train(config, store=Path(sys.argv[1]), name=NAME, pictures=version == 1)
