"""The parts of the benchmark: each is one module with a function `measure` from a `Bench` to an `Outcome`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from benchmarks.serving.bench import Bench
from benchmarks.serving.results import Outcome

PARTS: Mapping[str, str] = {
    "requests": "requests a second, latency, CPU and memory, beside a naive service and an empty route",
    "start": "seconds to ready and memory while idle",
    "engine": "the engine alone, batch 1 to 256",
    "breakdown": "where the microseconds of one request go",
    "overload": "more requests than can be answered",
    "swap": "another version every two seconds",
    "workers": "throughput with several processes",
    "bulk": "70,000 images from a file",
    "precision": "float32 beside bfloat16",
    "explorer": "the explorer in a browser: how fast the picture follows the point, and when the first one is there",
}
"""The name of each part, which is also its module's name, and what it measures; in the order of a whole run."""

QUICK = ("requests", "engine")
"""The parts of a quick run, unless others are chosen."""


def measure(part: str, bench: Bench) -> Outcome:
    """Run one of PARTS. Raises BenchError where it fails."""
    module = import_module(f"{__name__}.{part}")
    outcome: Outcome = module.measure(bench)
    return outcome
