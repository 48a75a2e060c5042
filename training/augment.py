"""Random rotations, shifts and zooms of images, drawn from a seed alone."""

from __future__ import annotations

import math
from typing import Any

from training.config import AugmentConfig
from training.tensorflow_import import import_tensorflow

Tensor = Any


def augment(x: Tensor, options: AugmentConfig, seed: Tensor) -> Tensor:
    """Rotate, shift and zoom each image around its middle: (b, h, w, c) -> the same shape; edge pixels fill gaps.

    Bilinear; each amount is drawn evenly from plus or minus its bound. `seed` is (2,).
    """
    tf = import_tensorflow()
    height, width = x.shape[1], x.shape[2]
    draw = tf.random.stateless_uniform((tf.shape(x)[0], 4), seed, -1.0, 1.0)  # (b, 4)
    angle = draw[:, 0] * (options.rotate_deg * math.pi / 180.0)
    scale = 1.0 + draw[:, 1] * options.zoom
    right, down = draw[:, 2] * (options.shift * width), draw[:, 3] * (options.shift * height)
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    # The rows of the map from output to input positions that keeps the middle where it is, then moves it.
    transforms = tf.stack(
        [
            cosine, -sine, centre_x - cosine * centre_x + sine * centre_y + right,
            sine, cosine, centre_y - sine * centre_x - cosine * centre_y + down,
            tf.zeros_like(angle), tf.zeros_like(angle),
        ],
        axis=1,
    )  # (b, 8) # fmt: skip
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=transforms,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
