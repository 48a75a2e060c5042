"""Compares bfloat16 with float32, the default: speed and numerical error."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack

from benchmarks.serving.answers import Closeness
from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import Case, Format
from benchmarks.serving.errors import BenchError
from benchmarks.serving.figures import number, ratios, spread
from benchmarks.serving.models import NAMES
from benchmarks.serving.results import Outcome, Table
from service.settings import Settings

FLOAT32, BFLOAT16 = "f32", "bf16"
LOADS: tuple[tuple[Format, int, int], ...] = (("json", 1, 64), ("npy", 1, 64), ("npy", 64, 4))
_CLOSE = Closeness(rtol=0.05, atol=0.05)
"""A wide tolerance, only to detect wrong answers: the service checks bfloat16 more closely when it loads a version."""


def measure(bench: Bench) -> Outcome:
    """Measure two servers, one for each precision, in turns."""
    if "precision" not in Settings.model_fields:
        raise BenchError("this service has no LATENT_PRECISION")
    figures: dict[str, list[float]] = defaultdict(list)
    rows = []
    for model in NAMES:
        cases = [Case(model, "encode", body, images, connections) for body, images, connections in LOADS]
        with ExitStack() as stack:
            servers = {
                precision: stack.enter_context(bench.serve_latent(model, precision=precision))
                for precision in (FLOAT32, BFLOAT16)
            }
            off = {
                precision: max(bench.check(server, case, _CLOSE) for case in cases)
                for precision, server in servers.items()
            }
            for turn in range(1 if bench.quick else 3):
                bench.tell(f"precision: {model}, round {turn + 1}")
                for case in cases:
                    for precision, server in servers.items():
                        drive = bench.drive(server, case, 1)
                        name = f"precision/{precision}/{case.name}"
                        figures[f"{name}/images_per_s"].append(case.images * drive.load.per_second)
                        figures[f"{name}/cpu_us"].append(drive.cpu_us)
        rows += [_row(case, figures, off) for case in cases]
        figures[f"precision/{BFLOAT16}/{model}/off"] = [off[BFLOAT16]]
    headings = ["model, body, images × connections", "float32, images/s", "bfloat16, images/s", "×", "CPU, ×", "off by"]
    note = "Off by: the largest difference of a code from TensorFlow's own in float32."
    table = Table(title="bfloat16 (LATENT_PRECISION=bf16)", headings=headings, rows=rows)
    return Outcome(tables=[table], figures=dict(figures), notes=[note])


def _row(case: Case, figures: dict[str, list[float]], off: dict[str, float]) -> list[str]:
    def both(measure: str) -> tuple[list[float], list[float]]:
        old, new = (figures[f"precision/{precision}/{case.name}/{measure}"] for precision in (FLOAT32, BFLOAT16))
        return old, new

    (old, new), (old_cpu, new_cpu) = both("images_per_s"), both("cpu_us")
    return [
        f"{case.model}, {case.format}, {case.images} × {case.connections}",
        number(spread(old).median),
        number(spread(new).median),
        str(spread(ratios(new, old))),
        str(spread(ratios(new_cpu, old_cpu))),
        f"{number(off[FLOAT32])}, {number(off[BFLOAT16])}",
    ]
