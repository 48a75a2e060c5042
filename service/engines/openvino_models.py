"""Reads and compiles scanned SavedModels with OpenVINO, and maps its ports to the signature's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from model_store.artefacts import ScannedArtefact
from service.engines.base import EngineError
from service.engines.openvino_import import openvino
from service.engines.openvino_rewrite import widen

UNPINNED = {"ENABLE_CPU_PINNING": "NO"}
"""Configuration of every program. Without it OpenVINO pins the thread that calls `infer` to the first CPU that its
process may use, so all workers on one machine compute on one CPU."""
_UNCONVERTED = re.compile(r"No conversion rule found for operations: (\w+(?:, \w+)*)")


class Compiled(NamedTuple):
    """A compiled model, and whether it has convolutions."""

    model: Any
    """An openvino.CompiledModel; openvino publishes no types."""
    convolves: bool


def compile_artefact(
    core: openvino.Core, artefact: ScannedArtefact, config: Mapping[str, str], batch: int | None = None
) -> Compiled:
    """Read and compile a scanned SavedModel; with `batch`, a model with convolutions for that batch size only.

    A fixed batch size saves transposing arrays between TensorFlow's layout and OpenVINO's: 5 to 11 % of a call.

    Raises EngineError where an operation cannot be converted.
    """
    try:
        with artefact.opened() as directory:
            model = core.read_model(directory)
            widen(model)
            convolves = any("Convolution" in node.get_type_name() for node in model.get_ops())
            if batch is not None and convolves:
                model.reshape({port: [batch, *list(port.get_partial_shape())[1:]] for port in model.inputs})
            return Compiled(core.compile_model(model, "CPU", {**config, **UNPINNED}), convolves)
    except Exception as error:
        lacking = _UNCONVERTED.search(str(error))
        reason = f"it lacks {lacking[1]}" if lacking else type(error).__name__
        raise EngineError(f"OpenVINO cannot load {artefact.name} ({reason})") from error


class NamedPorts:
    """The inputs and outputs of a compiled model, by the signature's names."""

    def __init__(self, compiled: Compiled) -> None:
        self._inputs, self._outputs = by_name(compiled.model.inputs), by_name(compiled.model.outputs)
        self.gains_by_batch = compiled.convolves

    @property
    def input_names(self) -> frozenset[str]:
        """Names of the inputs of `infer`."""
        return frozenset(self._inputs)

    @property
    def output_names(self) -> frozenset[str]:
        """Names of the outputs of `infer`."""
        return frozenset(self._outputs)


def by_name(ports: Any) -> dict[str, Any]:  # noqa: ANN401 - openvino publishes no types
    """Map the inputs or outputs of a compiled model by the signature's names."""
    return {port_name(port): port for port in ports}


def port_name(port: Any) -> str:  # noqa: ANN401 - openvino publishes no types
    """The signature's name of a port, such as `z_mean` for OpenVINO's `serving_default_z_mean:0`."""
    names = {str(name).split(":")[0].removeprefix("serving_default_") for name in port.get_names()}
    known = names & {"x", "z", "labels", "z_mean", "z_log_var", "outputs"}
    return min(known or names)
