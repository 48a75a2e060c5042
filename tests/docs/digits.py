"""Publishes the model that the docs call `mnist-vae`: `python -m tests.docs.digits STORE`, in a process of its own.

It has the default recipe's name and sizes: pictures of 28 × 28 × 1, a code of 16. It is affine, so nothing is trained:
each number of the code follows from the mean of one of 4 × 4 tiles.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from model_store.manifest import ImageInput, ImagePreprocess, Likelihood
from tests.support.affine import Affine, publish_affine

NAME = "mnist-vae"
SIDE, TILES = 28, 4


def digits() -> Affine:
    """z = 4 · mean of a tile - 2; outputs are the tiles' means again."""
    tile = SIDE // TILES
    of_pixel = np.arange(SIDE) // tile
    index = (of_pixel[:, None] * TILES + of_pixel[None, :]).ravel()  # (784,): which tile a pixel belongs to
    tiles = np.eye(TILES * TILES)[index]  # (784, 16)
    return Affine(
        name=NAME,
        input=ImageInput(shape=(SIDE, SIDE, 1), preprocess=ImagePreprocess(size=(SIDE, SIDE))),
        likelihood=Likelihood(kind="bernoulli"),
        encode_weight=4.0 * tiles / tile**2,
        encode_bias=np.full(TILES * TILES, -2.0),
        decode_weight=tiles.T / 4.0,
        decode_bias=np.full(SIDE * SIDE, 0.5),
        z_log_var=np.full(TILES * TILES, -2.0),
    )


if __name__ == "__main__":
    publish_affine(Path(sys.argv[1]), NAME, digits())
