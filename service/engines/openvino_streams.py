"""The OpenVINO engine for data sets: one stream for each CPU, so that many batches run in parallel.

For a request, one call must be quick, so all threads work on it. For a data set, the throughput of all calls counts, so
each thread has a batch of its own and waits for no other. The precision is that of the serving engine.
"""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.artefacts import ScannedArtefact
from service.engines.base import Arrays, BoundCall, Precision, as_float32
from service.engines.openvino_import import openvino
from service.engines.openvino_models import Compiled, NamedPorts, compile_artefact


class OpenVinoStreamsEngine:
    """The OpenVINO runtime for throughput: every program has `streams` streams of one thread each."""

    name = "openvino"

    def __init__(self, streams: int, precision: Precision = "f32") -> None:
        self.precision = precision
        self._core = openvino.Core()
        self._streams = streams
        self._config = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(streams),
        }

    def load(self, artefact: ScannedArtefact, batch: int | None = None) -> OpenVinoStreamsProgram:
        """Read and compile a SavedModel. Raises EngineError where an operation cannot be converted."""
        return OpenVinoStreamsProgram(compile_artefact(self._core, artefact, self._config, batch), self._streams)


class OpenVinoStreamsProgram(NamedPorts):
    """A compiled model that many threads may call at once; with more threads than streams, threads wait."""

    def __init__(self, compiled: Compiled, streams: int) -> None:
        super().__init__(compiled)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.model.create_infer_request())

    def infer(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run a batch on a free stream; a batch size that is new to the stream is compiled first."""
        feed = {self._inputs[name]: np.ascontiguousarray(array) for name, array in inputs.items()}
        request = self._idle.get()
        try:
            request.start_async(feed, share_inputs=True)
            request.wait()
            return {name: as_float32(request.get_tensor(port).data) for name, port in self._outputs.items()}
        finally:
            self._idle.put(request)

    def bind(self, inputs: Arrays) -> BoundCall:
        """Bind a call to these arrays; its outputs are copies."""
        return BoundCall(tuple(self._outputs), partial(self.infer, inputs))
