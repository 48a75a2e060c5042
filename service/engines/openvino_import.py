"""Imports OpenVINO's runtime without its model converter, which the package imports where it is installed.

The service reads SavedModels through the runtime's own frontend. The converter imports absl and a telemetry client: 4
MB of memory, and 0.12 s of every start. The package is made to work where importing the converter fails.
"""

from __future__ import annotations

import sys
from typing import Any

_CONVERTER = "openvino.tools.ovc"


def _import_runtime() -> Any:  # noqa: ANN401 - openvino publishes no types
    modules: dict[str, Any] = sys.modules
    hide = "openvino" not in modules and _CONVERTER not in modules
    if hide:
        modules[_CONVERTER] = None  # makes Python raise ModuleNotFoundError for this import
    try:
        import openvino
    finally:
        if hide:
            del modules[_CONVERTER]
    return openvino


openvino = _import_runtime()
