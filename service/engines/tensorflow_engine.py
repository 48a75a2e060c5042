"""The TensorFlow engine: the reference, for GPUs, and for models with operations that OpenVINO lacks."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.artefacts import ScannedArtefact
from model_store.errors import StoreError
from service.engines.base import Arrays, BoundCall, EngineError, Precision, as_float32

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the import, which would print messages
os.environ.setdefault("KERAS_HOME", os.devnull)  # TensorFlow's copy of Keras would write .keras into the home

import tensorflow as tf


class TensorFlowEngine:
    """The TensorFlow runtime. Its threads belong to the process, so the first engine sets their number."""

    name = "tensorflow"

    def __init__(self, threads: int, precision: Precision = "f32") -> None:
        if precision != "f32":
            raise EngineError(f"the tensorflow engine computes in float32, not in {precision}")
        self.precision: Precision = precision
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:
            return  # TensorFlow already runs in this process, which does more than serve

    def load(
        self,
        artefact: ScannedArtefact,
        batch: int | None = None,  # noqa: ARG002 - nothing is gained
    ) -> TensorFlowProgram:
        """Load the SavedModel's one serving signature. Raises EngineError.

        TensorFlow's loader may run more than the signature reaches, so more must have been scanned.
        """
        try:
            with artefact.opened_for_tensorflow() as directory:
                module = tf.saved_model.load(str(directory))
            return TensorFlowProgram(module, module.signatures["serving_default"])
        except StoreError as error:
            raise EngineError(f"TensorFlow may not load {artefact.name}: {error}") from error
        except Exception as error:
            raise EngineError(f"TensorFlow cannot load {artefact.name} ({type(error).__name__})") from error


class TensorFlowProgram:
    """A concrete TensorFlow function with a free batch dimension, so that new batch sizes need no tracing."""

    gains_by_batch = False

    def __init__(self, module: Any, signature: Any) -> None:  # noqa: ANN401 - tensorflow publishes no types
        self._module = module  # the variables live as long as the module that owns them
        self._signature = signature
        self._inputs = frozenset(signature.structured_input_signature[1])
        self._outputs = frozenset(signature.structured_outputs)

    @property
    def input_names(self) -> frozenset[str]:
        """Names of the inputs of `infer`."""
        return self._inputs

    @property
    def output_names(self) -> frozenset[str]:
        """Names of the outputs of `infer`."""
        return self._outputs

    def infer(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run a batch: arrays (n, …) by name -> copies (n, …) by name."""
        answer = self._signature(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: as_float32(answer[name].numpy()) for name in sorted(self._outputs)}

    def bind(self, inputs: Arrays) -> BoundCall:
        """Bind a call to arrays: TensorFlow copies them at each call, and returns new arrays."""
        return BoundCall(tuple(sorted(self._outputs)), partial(self.infer, inputs))
