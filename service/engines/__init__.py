"""Engines: runtimes that run a version's SavedModels. One protocol; one module for each runtime, imported when used."""

from __future__ import annotations

from service.engines.base import Engine, EngineError, Precision, Program, cause_of
from service.unstable_names import IncompatiblePackage

__all__ = ["ENGINES", "Engine", "EngineError", "Precision", "Program", "cause_of", "create_engine"]

ENGINES = ("openvino", "tensorflow")


def create_engine(name: str, threads: int, precision: Precision = "f32") -> Engine:
    """Create an engine by name, with `threads` threads for each call. Raises EngineError where it is not available."""
    try:
        if name == "openvino":
            from service.engines.openvino_engine import OpenVinoEngine

            return OpenVinoEngine(threads, precision)
        if name == "tensorflow":
            from service.engines.tensorflow_engine import TensorFlowEngine

            return TensorFlowEngine(threads, precision)
    except IncompatiblePackage as error:
        raise EngineError(str(error)) from error
    except ImportError as error:
        raise EngineError(f"the {name} engine is not installed ({error.name})") from error
    raise EngineError(f"there is no engine {name!r} (there are {', '.join(ENGINES)})")
