"""The protocol of an engine: loads a scanned SavedModel as a program, which maps named arrays to named arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from model_store.artefacts import ScannedArtefact

Arrays = Mapping[str, NDArray[np.float32]]


Precision = Literal["f32", "bf16"]
"""The number type of computations: float32, or bfloat16 (seven bits of mantissa), faster where the CPU supports it."""


class EngineError(Exception):
    """An engine is not available, or cannot run a model. `str(error)` is one sentence for people.

    The runtime's own message, which may hold paths, is in `__cause__`: for the log.
    """


def cause_of(error: BaseException) -> str | None:
    """Type and text of an error's `__cause__`, for the log and the command line; None where it has none."""
    return None if error.__cause__ is None else f"{type(error.__cause__).__name__}: {error.__cause__}"


class BoundCall(NamedTuple):
    """An engine call that is bound to fixed input arrays."""

    names: tuple[str, ...]
    """Names of the outputs, in the order of the call's result."""
    call: Callable[[], Mapping[Any, NDArray[np.float32]]]
    """Computes with the current content of the input arrays. The outputs may be the runtime's own memory, which the
    program's next call overwrites; only their order counts, not the keys."""


class Program(Protocol):
    """One loaded SavedModel. Use it from one thread at a time."""

    gains_by_batch: bool
    """Whether calls get faster where the program is loaded for one batch size only."""

    @property
    def input_names(self) -> frozenset[str]:
        """Names of the inputs of `infer`."""

    @property
    def output_names(self) -> frozenset[str]:
        """Names of the outputs of `infer`."""

    def infer(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run a batch: arrays (n, …) by name -> copies (n, …) by name."""

    def bind(self, inputs: Arrays) -> BoundCall:
        """Bind a call to these arrays (C order), whose content may change between calls."""


class Engine(Protocol):
    """A runtime that loads SavedModels."""

    name: str
    precision: Precision

    def load(self, artefact: ScannedArtefact, batch: int | None = None) -> Program:
        """Load a SavedModel with one serving signature; with `batch`, only for calls of that size if this is faster.

        An engine takes what was scanned, never a path. Raises EngineError.
        """


def as_float32(array: Any) -> NDArray[np.float32]:  # noqa: ANN401 - each runtime has its own tensor type
    """Copy an array to float32, C order: a runtime's output may be a view that its next call overwrites."""
    return np.array(array, dtype=np.float32, order="C")


def infer_in_calls_of(batch: int, program: Program, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    """Run any number of rows (n, …), n >= 1, in calls of one size; the last call is padded with its last row."""
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
