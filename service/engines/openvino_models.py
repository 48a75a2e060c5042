"""SavedModel directories as OpenVINO has them: reading, compiling, the names of what goes in and comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.engines.base import EngineError
from service.engines.openvino_import import openvino
from service.engines.openvino_rewrite import widen

_UNCONVERTED = re.compile(r"No conversion rule found for operations: (\w+(?:, \w+)*)")


def compile_directory(core: openvino.Core, directory: Path, config: Mapping[str, str]) -> Any:  # noqa: ANN401
    """A compiled model (openvino publishes no types). Raises EngineError where an operation cannot be converted."""
    try:
        model = core.read_model(directory)
        widen(model)
        return core.compile_model(model, "CPU", dict(config))
    except Exception as error:
        lacking = _UNCONVERTED.search(str(error))
        reason = f"it lacks {lacking[1]}" if lacking else type(error).__name__
        raise EngineError(f"OpenVINO cannot load {directory.name} ({reason})") from error


class NamedPorts:
    """What goes into a compiled model and comes out of it."""

    def __init__(self, compiled: Any) -> None:  # noqa: ANN401 - openvino publishes no types
        self._inputs, self._outputs = by_name(compiled.inputs), by_name(compiled.outputs)

    @property
    def input_names(self) -> frozenset[str]:
        """Names that `infer` takes."""
        return frozenset(self._inputs)

    @property
    def output_names(self) -> frozenset[str]:
        """Names that `infer` answers."""
        return frozenset(self._outputs)


def by_name(ports: Any) -> dict[str, Any]:  # noqa: ANN401 - openvino publishes no types
    """Inputs or outputs of a compiled model by the signature's names."""
    return {port_name(port): port for port in ports}


def port_name(port: Any) -> str:  # noqa: ANN401 - openvino publishes no types
    """The signature's name of a port: `z_mean`, where the frontend adds `serving_default_z_mean:0` and the like."""
    names = {str(name).split(":")[0].removeprefix("serving_default_") for name in port.get_names()}
    known = names & {"x", "z", "labels", "z_mean", "z_log_var", "outputs"}
    return min(known or names)
