"""What an engine is: it loads a SavedModel directory and turns named arrays into named arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.float32]]


Precision = Literal["f32", "bf16"]
"""What an engine computes in: float32, or bfloat16 with its seven bits of mantissa, faster where the CPU has it."""


class EngineError(Exception):
    """An engine cannot be had, or cannot run this model. `str(error)` is one sentence for a person.

    The runtime's own message, which may hold paths, is in `__cause__`: for the log.
    """


def cause_of(error: BaseException) -> str | None:
    """What lies behind an error, for the log and for a command line."""
    return None if error.__cause__ is None else f"{type(error.__cause__).__name__}: {error.__cause__}"


class BoundCall(NamedTuple):
    """A call on arrays that were given once."""

    names: tuple[str, ...]
    """Of what the call answers, in its order."""
    call: Callable[[], Mapping[Any, NDArray[np.float32]]]
    """Computes with whatever the arrays hold now. Its answers may be the runtime's own memory, which the program's next
    call overwrites; only their order counts, not the keys."""


class Program(Protocol):
    """One loaded SavedModel. Used by one thread at a time."""

    gains_by_batch: bool
    """Whether it is worth loading for calls of one batch size alone."""

    @property
    def input_names(self) -> frozenset[str]:
        """Names that `infer` takes."""

    @property
    def output_names(self) -> frozenset[str]:
        """Names that `infer` answers."""

    def infer(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run a batch: arrays (n, …) by name -> arrays (n, …) by name, the caller's own."""

    def bind(self, inputs: Arrays) -> BoundCall:
        """A call on these very arrays, C order."""


class Engine(Protocol):
    """A runtime."""

    name: str
    precision: Precision

    def load(self, directory: Path, batch: int | None = None) -> Program:
        """Load a SavedModel with one serving signature, where it gains by that for calls of `batch` rows alone.

        Raises EngineError.
        """


def as_float32(array: Any) -> NDArray[np.float32]:  # noqa: ANN401 - each runtime has its own tensor type
    """A copy in float32, C order: what a runtime returns may be a view that its next call overwrites."""
    return np.array(array, dtype=np.float32, order="C")


def infer_in_calls_of(batch: int, program: Program, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    """Any number of rows (n, …), n >= 1, in calls of one size, the last filled up with its last row."""
    n = len(next(iter(inputs.values())))
    answers = []
    for start in range(0, n, batch):
        rows = {name: array[start : start + batch] for name, array in inputs.items()}
        lacking = batch - min(batch, n - start)
        if lacking:
            rows = {name: np.concatenate([a, np.repeat(a[-1:], lacking, axis=0)]) for name, a in rows.items()}
        answers.append(program.infer(rows))
    if len(answers) == 1:
        return {name: array[:n] for name, array in answers[0].items()}
    return {name: np.concatenate([answer[name] for answer in answers])[:n] for name in answers[0]}
