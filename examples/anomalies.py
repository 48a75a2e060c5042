"""Anomaly scores: an item that the model reconstructs badly is unlike its training data.

python examples/anomalies.py [http://localhost:8000]

Scores samples of the model, samples with more and more noise, and pure noise. Works with any image model.
"""

from __future__ import annotations

import sys

import numpy as np

from latent_client import Client

ITEMS = 64


def main(url: str) -> None:
    """Print a line for each amount of noise."""
    rng = np.random.default_rng(0)
    with Client(url) as latent:
        ordinary = latent.sample(ITEMS, seed=3).outputs
        noise = rng.random(ordinary.shape, dtype=np.float32)
        print("noise  mean error  median percentile  called anomalies")
        for share in (0.0, 0.1, 0.2, 0.4, 1.0):
            anomaly = latent.reconstruct((1 - share) * ordinary + share * noise).anomaly
            print(
                f"{share:5.0%}  {anomaly.score.mean():10.4f}  {np.median(anomaly.percentile):17.1f}"
                f"  {anomaly.is_anomaly.sum():8d} of {ITEMS}"
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")
