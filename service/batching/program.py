"""Batch sizes that an engine has seen: every call is padded to one of a few, all of them warmed before ready.

OpenVINO compiles each new batch size, 3 to 20 ms and memory each; with a few sizes that happens before the first
request, and never again. All sizes share one array a name, which the engine reads in place: a caller's rows are copied
once, into it, and its answers once, out of the engine's memory.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from service.batching.costs import CostCurve
from service.engines.base import Arrays, BoundCall, Program

Rows = Mapping[str, NDArray[np.float32]]


class Piece(NamedTuple):
    """Rows `start` to `stop` of a caller's arrays (n, …) by name."""

    rows: Rows
    start: int
    stop: int


def bucket_sizes(max_items: int) -> tuple[int, ...]:
    """1, 2, 4 … up to `max_items`, which is the last."""
    sizes = [1]
    while sizes[-1] * 2 < max_items:
        sizes.append(sizes[-1] * 2)
    return (*sizes, max_items) if max_items > 1 else (1,)


class BucketedProgram:
    """A program whose every call has one of a few batch sizes. Used by one thread at a time."""

    def __init__(self, program: Program, example: Arrays, max_items: int) -> None:
        """`example` has at least one row by every name: what idle rows hold until others have been there."""
        self.sizes = bucket_sizes(max_items)
        self.gains_by_batch = program.gains_by_batch
        """Whether `call_largest` is worth its while."""
        self._inputs = {name: np.repeat(array[:1], self.sizes[-1], axis=0) for name, array in example.items()}
        self._calls: dict[int, BoundCall] = {
            size: program.bind({name: array[:size] for name, array in self._inputs.items()}) for size in self.sizes
        }

    @property
    def row_bytes(self) -> int:
        """What one row takes, all inputs together."""
        return sum(array[0].nbytes for array in self._inputs.values())

    def run(self, pieces: Sequence[Piece]) -> dict[str, Float32]:
        """One call for the rows of all pieces, no more than the largest size: (total, …) by name, the caller's own."""
        total = 0
        for rows, start, stop in pieces:
            end = total + stop - start
            for name, array in self._inputs.items():
                array[total:end] = rows[name][start:stop]
            total = end
        size = self.sizes[bisect_left(self.sizes, total)]
        bound = self._calls[size]
        answers: dict[str, Float32] = {}
        for name, array in zip(bound.names, bound.call().values(), strict=True):
            if len(array) != size:
                raise RuntimeError(f"the engine answered {len(array)} rows of {name} to the {size} it was given")
            answers[name] = array[:total].copy()
        return answers

    def call_largest(self, program: Program) -> None:
        """Make calls of the largest size with a program that is loaded for these alone; others may call meanwhile."""
        self._calls[self.sizes[-1]] = program.bind(self._inputs)

    def infer(self, rows: Rows) -> dict[str, Float32]:
        """Any number of rows, in as many calls as they need: (n, …) by name -> (n, …) by name."""
        n, largest = len(next(iter(rows.values()))), self.sizes[-1]
        answers = [self.run([Piece(rows, start, min(n, start + largest))]) for start in range(0, n, largest)]
        if len(answers) == 1:
            return answers[0]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def warm(self) -> CostCurve:
        """Run every size once unseen and once more; what the second took is a first idea of its cost."""
        for size in self.sizes:
            self._calls[size].call()
        return CostCurve(self.sizes, tuple(self.seconds_of(size) for size in self.sizes))

    def seconds_of(self, size: int) -> float:
        """How long a call with one of the sizes takes now."""
        started = time.perf_counter()
        self._calls[size].call()
        return max(time.perf_counter() - started, 1e-9)
