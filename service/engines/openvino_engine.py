"""The OpenVINO engine, the default on CPUs. Reads SavedModel directories without TensorFlow in the process.

The precision is set explicitly, float32 by default: OpenVINO's own choice is bfloat16 where the CPU supports it, with
errors of up to 6e-3.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.artefacts import ScannedArtefact
from service.engines.base import Arrays, BoundCall, Precision, as_float32
from service.engines.openvino_import import openvino
from service.engines.openvino_models import Compiled, NamedPorts, compile_artefact
from service.unstable_names import require

require("openvino")


class OpenVinoEngine:
    """The OpenVINO runtime: one Core, shared by all programs."""

    name = "openvino"

    def __init__(self, threads: int, precision: Precision = "f32") -> None:
        self.precision = precision
        self._core = openvino.Core()
        self._config = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
        }

    def load(self, artefact: ScannedArtefact, batch: int | None = None) -> OpenVinoProgram:
        """Read and compile a SavedModel. Raises EngineError where an operation cannot be converted."""
        return OpenVinoProgram(compile_artefact(self._core, artefact, self._config, batch))


class OpenVinoProgram(NamedPorts):
    """A compiled model with one inference request. Use it from one thread at a time."""

    def __init__(self, compiled: Compiled) -> None:
        self._request = compiled.model.create_infer_request()
        super().__init__(compiled)

    def infer(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run a batch; a new batch size is compiled first, which takes 3 to 20 ms."""
        feed = {self._inputs[name]: np.ascontiguousarray(array) for name, array in inputs.items()}
        self._request.infer(feed, share_inputs=True)
        return {name: as_float32(self._request.get_tensor(port).data) for name, port in self._outputs.items()}

    def bind(self, inputs: Arrays) -> BoundCall:
        """Bind a call to arrays: makes their tensors once, and calls OpenVINO's native request below the package's
        conversions. A call with one row takes 30 µs instead of 48."""
        native: Any = super(openvino.InferRequest, self._request)
        tensors = {self._inputs[name]: openvino.Tensor(array, shared_memory=True) for name, array in inputs.items()}
        given = next(iter(tensors.values())) if len(tensors) == 1 else tensors
        call = partial(native.infer, given, share_outputs=True, decode_strings=False)
        return BoundCall(tuple(self._outputs), call)
