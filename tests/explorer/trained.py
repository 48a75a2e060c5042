"""Trains what a browser is shown: `python -m tests.explorer.trained STORE`, a few seconds, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import training

NAME = "digits"
EPOCHS = (1, 12)
"""Of version 1 and of version 2: the second tells digits apart, the first hardly."""
SETTINGS = {
    "model.hidden": "[128]",
    "model.dropout": "0.0",
    "latent.dim": "8",
    "optimizer.learning_rate": "0.004",
}

if __name__ == "__main__":
    for epochs in EPOCHS:
        config = training.configure("mnist-vae-mlp", data="mnist-5k", settings=SETTINGS, epochs=epochs)
        training.train(config, store=Path(sys.argv[1]), name=NAME)
