"""OpenVINO's runtime without its model converter, which the package imports where it can be had.

The service reads SavedModels through the runtime's own frontend. The converter brings absl and a telemetry client with
it: 4 MB of a service, and 0.12 s of every start. That an import of it fails is a case which the package provides for.
"""

from __future__ import annotations

import sys
from typing import Any

_CONVERTER = "openvino.tools.ovc"


def _import_runtime() -> Any:  # noqa: ANN401 - openvino publishes no types
    modules: dict[str, Any] = sys.modules
    hide = "openvino" not in modules and _CONVERTER not in modules
    if hide:
        modules[_CONVERTER] = None  # Python's own way to say that there is no such module
    try:
        import openvino
    finally:
        if hide:
            del modules[_CONVERTER]
    return openvino


openvino = _import_runtime()
