"""Style transfer: draws the style of one item with every label.

python examples/styles.py [http://localhost:8000] [MODEL]

Needs a conditional model, such as that of `latent train mnist-cvae`: the code has the style of a digit, the label says
which digit it is. Writes styles.png: each row begins with an item, followed by its style with every label.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latent_client import Client

STYLES, SCALE = 8, 2


def main(url: str, model: str | None) -> None:
    """Draw a sheet with one row for each item."""
    with Client(url) as latent:
        name = model or next(one.name for one in latent.models() if one.default)
        classes = latent.model(name)["manifest"]["input"]["class_names"]
        if not classes:
            sys.exit(f"{name} takes no labels: train a conditional one with latent train mnist-cvae")
        drawn = [classes[i % len(classes)] for i in range(STYLES)]
        items = latent.sample(STYLES, labels=drawn, seed=1, model=name).outputs
        columns = [items]
        for label in classes:
            there = latent.reconstruct(items, labels=drawn, target_labels=[label] * STYLES, model=name)
            columns.append(there.outputs)
    sheet(np.stack(columns, axis=1)).save("styles.png")
    print(f"styles.png: {STYLES} items, and the style of each as {', '.join(classes)}")


def sheet(pictures: NDArray[np.float32]) -> Image.Image:
    """Put pictures (rows, columns, h, w, c) in [0, 1] together as one image."""
    rows, columns, h, w, c = pictures.shape
    pixels = np.rint(255 * pictures).astype(np.uint8).transpose(0, 2, 1, 3, 4).reshape(rows * h, columns * w, c)
    whole = Image.fromarray(pixels[..., 0] if c == 1 else pixels)
    return whole.resize((SCALE * whole.width, SCALE * whole.height), Image.Resampling.NEAREST)


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
    main(url, sys.argv[2] if len(sys.argv) > 2 else None)
