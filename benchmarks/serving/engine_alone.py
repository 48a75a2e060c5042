"""Measures OpenVINO alone, at its best: no service, no batching, the input tensor set once, float32.

    python -m benchmarks.serving.engine_alone '{"directories": …, "batches": […], "rounds": …, "seconds": …}'
    python -m benchmarks.serving.engine_alone '{"every_cpu": DIRECTORY, "rounds": …, "seconds": …}'

Prints JSON: for every name and batch size the microseconds of a call, one number for each round; or the highest number
of images a second on all CPUs of this process. Directories in `rewritten` are compiled as the service compiles them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from service.engines.openvino_models import UNPINNED
from service.engines.openvino_rewrite import widen

_PRECISE = {"INFERENCE_PRECISION_HINT": "f32", **UNPINNED}
"""float32, and threads not pinned to CPUs, as in the service."""
_WARM_CALLS = 5
_ITEMS_AT_ONCE = (64, 256, 1024)


def main() -> int:
    """Measure, and print the results as JSON."""
    task = json.loads(sys.argv[1])
    rounds, seconds = int(task["rounds"]), float(task["seconds"])
    if "every_cpu" in task:
        print(json.dumps([most_images_per_s(Path(task["every_cpu"]), seconds) for _ in range(rounds)]))
        return 0
    requests = {
        f"{name}/{batch}": request(Path(directory), batch, threads=1, rewritten=rewritten)
        for rewritten, directories in ((False, task["directories"]), (True, task.get("rewritten", {})))
        for name, directory in directories.items()
        for batch in task["batches"]
    }
    took: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(rounds):
        for name, ready in requests.items():
            took[name].append(1e6 / calls_per_s(ready, seconds))
    print(json.dumps(took))
    return 0


def request(directory: Path, batch: int, *, threads: int, rewritten: bool = False) -> Any:  # noqa: ANN401 - openvino publishes no types
    """Make an inference request with its input (batch, …) set, and warm it up."""
    core = openvino.Core()
    config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads)}
    model = core.read_model(directory)
    if rewritten:
        widen(model)
    compiled = core.compile_model(model, "CPU", {**config, **_PRECISE})
    ready = compiled.create_infer_request()
    ready.set_input_tensor(openvino.Tensor(example(compiled, batch)))
    for _ in range(_WARM_CALLS):
        ready.infer()
    return ready


def example(compiled: Any, batch: int) -> np.ndarray:  # noqa: ANN401 - openvino publishes no types
    """Make an input of `batch` rows with values in [0, 1)."""
    shape = [dimension.get_length() for dimension in list(compiled.input().partial_shape)[1:]]
    return np.random.default_rng(0).random((batch, *shape), np.float32)


def calls_per_s(ready: Any, seconds: float) -> float:  # noqa: ANN401 - openvino publishes no types
    """Measure how many calls of an inference request run in a second."""
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds or not calls:
        ready.infer()
        calls += 1
    return calls / elapsed


def most_images_per_s(directory: Path, seconds: float) -> float:
    """The highest rate at several batch sizes, for one call on all CPUs and for one call on each CPU.

    The best setting is measured again: the maximum of several noisy figures is too high.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ways = [partial(way, directory, batch, cpus) for way in (_together, _a_call_a_cpu) for batch in _ITEMS_AT_ONCE]
    return max(ways, key=lambda way: way(seconds / 2))(2 * seconds)


def _together(directory: Path, batch: int, cpus: int, seconds: float) -> float:
    """Images a second with one call at a time, on all CPUs."""
    return batch * calls_per_s(request(directory, batch, threads=cpus), seconds)


def _a_call_a_cpu(directory: Path, batch: int, cpus: int, seconds: float) -> float:
    """Images a second with one call on each CPU at the same time."""
    core = openvino.Core()
    config = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(cpus), "INFERENCE_NUM_THREADS": str(cpus)}
    compiled = core.compile_model(core.read_model(directory), "CPU", {**config, **_PRECISE})
    queue = openvino.AsyncInferQueue(compiled, cpus)
    tensor = openvino.Tensor(example(compiled, batch))
    for ready in queue:
        ready.set_input_tensor(tensor)
        ready.infer()
    calls, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds or not calls:
        queue.start_async()
        calls += 1
    queue.wait_all()
    return batch * calls / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
