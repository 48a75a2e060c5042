"""Pads every engine call to one of a few batch sizes, which are all warmed up before the version is ready.

OpenVINO compiles each new batch size, which costs 3 to 20 ms and some memory. With a few sizes this happens only before
the first request. All sizes share one array for each input name, which the engine reads in place. So a caller's rows
are copied once, into this array, and the outputs once, out of the engine's memory.
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
    """A slice of a job's rows: rows `start` to `stop` of arrays (n, …) by name."""

    rows: Rows
    start: int
    stop: int


def bucket_sizes(max_items: int) -> tuple[int, ...]:
    """The batch sizes 1, 2, 4 … below `max_items`, and `max_items`."""
    sizes = [1]
    while sizes[-1] * 2 < max_items:
        sizes.append(sizes[-1] * 2)
    return (*sizes, max_items) if max_items > 1 else (1,)


class BucketedProgram:
    """A program that pads each call to one of a few batch sizes. Use it from one thread at a time."""

    def __init__(self, program: Program, example: Arrays, max_items: int) -> None:
        """`example` has at least one row for every input name; padding rows hold it at first."""
        self.sizes = bucket_sizes(max_items)
        self.gains_by_batch = program.gains_by_batch
        """Whether calls of the largest size get faster with a program of their own (`call_largest`)."""
        self._inputs = {name: np.repeat(array[:1], self.sizes[-1], axis=0) for name, array in example.items()}
        self._calls: dict[int, BoundCall] = {
            size: program.bind({name: array[:size] for name, array in self._inputs.items()}) for size in self.sizes
        }

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, all inputs together."""
        return sum(array[0].nbytes for array in self._inputs.values())

    def run(self, pieces: Sequence[Piece]) -> dict[str, Float32]:
        """Run the rows of all pieces, at most the largest size, in one call: copies (total, …) by output name."""
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
        """Use `program`, loaded only for the largest size, for calls of that size. Safe while another thread calls."""
        self._calls[self.sizes[-1]] = program.bind(self._inputs)

    def infer(self, rows: Rows) -> dict[str, Float32]:
        """Run any number of rows in as many calls as needed: (n, …) by input name -> (n, …) by output name."""
        n, largest = len(next(iter(rows.values()))), self.sizes[-1]
        answers = [self.run([Piece(rows, start, min(n, start + largest))]) for start in range(0, n, largest)]
        if len(answers) == 1:
            return answers[0]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def warm(self) -> CostCurve:
        """Run every size twice: the first call compiles it, the second gives a first estimate of its cost."""
        for size in self.sizes:
            self._calls[size].call()
        return CostCurve(self.sizes, tuple(self.seconds_of(size) for size in self.sizes))

    def seconds_of(self, size: int) -> float:
        """Run one call of this size, and return how long it took."""
        started = time.perf_counter()
        self._calls[size].call()
        return max(time.perf_counter() - started, 1e-9)
