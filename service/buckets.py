"""Batch sizes that an engine has seen: every call is padded to one of a few, all of them warmed before ready.

OpenVINO compiles each new batch size, 3 to 20 ms and memory each; with a few sizes that happens before the first
request, and never again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.engines.base import Arrays, Program


def bucket_sizes(max_items: int) -> tuple[int, ...]:
    """1, 2, 4 … up to `max_items`, which is the last."""
    sizes = [1]
    while sizes[-1] * 2 < max_items:
        sizes.append(sizes[-1] * 2)
    return (*sizes, max_items) if max_items > 1 else (1,)


class BucketedProgram:
    """A program whose every call has one of a few batch sizes; larger batches are split, smaller ones padded."""

    def __init__(self, program: Program, max_items: int) -> None:
        self._program = program
        self.sizes = bucket_sizes(max_items)

    def infer(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run any number of rows: arrays (n, …) by name -> arrays (n, …) by name."""
        n = len(next(iter(inputs.values())))
        largest = self.sizes[-1]
        pieces = [
            self._run({name: array[start : start + largest] for name, array in inputs.items()})
            for start in range(0, n, largest)
        ]
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def warm(self, example: Arrays) -> None:
        """Run every batch size once; `example` has at least one row."""
        for size in self.sizes:
            self._program.infer({name: np.repeat(array[:1], size, axis=0) for name, array in example.items()})

    def _run(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        n = len(next(iter(inputs.values())))
        size = next(size for size in self.sizes if size >= n)
        if size > n:
            inputs = {name: _padded(array, size) for name, array in inputs.items()}
        return {name: array[:n] for name, array in self._program.infer(inputs).items()}


def _padded(array: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    padding = np.repeat(array[-1:], size - len(array), axis=0)
    return np.concatenate([array, padding])
