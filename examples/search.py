"""Similarity search: uses codes as embeddings, and finds the nearest ones to a query.

python examples/search.py [http://localhost:8000] [DIRECTORY]

Indexes the pictures of a directory (without one, 500 samples of the model), takes the first picture as the query, and
prints the five most similar ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_client import Client

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def main(url: str, directory: str | None) -> None:
    """Build an index, and search it once."""
    with Client(url) as latent:
        if directory is None:
            names = [f"sample {i}" for i in range(500)]
            codes = latent.encode(latent.sample(500, seed=1).outputs).z
        else:
            paths = sorted(path for path in Path(directory).rglob("*") if path.suffix.lower() in SUFFIXES)
            names = [str(path.relative_to(directory)) for path in paths]
            codes = latent.encode(paths).z  # any number of files: the client sends them in pieces
    print(f"{len(names)} items, codes of {codes.shape[1]} numbers")
    print(f"most like {names[0]}:")
    for index, distance in nearest(codes, codes[0], 6)[1:]:
        print(f"  {names[index]}  at {distance:.3f}")


def nearest(codes: NDArray[np.float32], query: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """The k codes (n, d) nearest to the query (d,) by Euclidean distance: index and distance, the nearest first."""
    distances = np.linalg.norm(codes - query, axis=1)
    return [(int(index), float(distances[index])) for index in np.argsort(distances, kind="stable")[:k]]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000", sys.argv[2] if len(sys.argv) > 2 else None)
