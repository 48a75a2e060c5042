"""Measures `latent encode` on a file of 70,000 images, beside the engine alone on every CPU."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np

from benchmarks.serving.bench import Bench
from benchmarks.serving.children import ROOT, last_line, run_child
from benchmarks.serving.cpus import on
from benchmarks.serving.errors import BenchError
from benchmarks.serving.figures import ratios, spread
from benchmarks.serving.models import CONVOLUTIONAL
from benchmarks.serving.results import Outcome, Table

ITEMS, FEW = 70_000, 700
"""Items of the large and of the small file; the time of the small file shows the start-up cost."""


def measure(bench: Bench) -> Outcome:
    """Measure the large file, the small file and the engine, in turns."""
    model = bench.models[CONVOLUTIONAL]
    rounds = 1 if bench.quick else 4
    rates: list[float] = []
    engine: list[float] = []
    start_up: list[float] = []
    for turn in range(rounds):
        bench.tell(f"bulk: round {turn + 1} of {rounds}")
        with on(bench.cpus.every):
            large_s, small_s = (encode(bench, items) for items in (ITEMS, FEW))
            task = {"every_cpu": str(model.version / "encoder"), "rounds": 1, "seconds": 0.5}
            engine += run_child("benchmarks.serving.engine_alone", json.dumps(task))
        if large_s <= small_s:
            raise BenchError(f"{ITEMS} images took {large_s:.2f} s, {FEW} took {small_s:.2f} s")
        rates.append((ITEMS - FEW) / (large_s - small_s))
        start_up.append(small_s - FEW / rates[-1])
    share = ratios(rates, engine)
    headings = ["", "latent encode, images/s", "engine alone, images/s", "of the engine", "start-up, s"]
    row = [f"{CONVOLUTIONAL}, {ITEMS:,} images", *(str(spread(values)) for values in (rates, engine, share, start_up))]
    note = f"The rate is that of {ITEMS - FEW:,} images: what {FEW} alone take, start-up above all, is taken off."
    return Outcome(
        tables=[Table(title="Bulk", headings=headings, rows=[row])],
        figures={
            "bulk/images_per_s": rates,
            "bulk/engine_images_per_s": engine,
            "bulk/share_of_engine": share,
            "bulk/start_up_s": start_up,
        },
        notes=[note],
    )


def encode(bench: Bench, items: int) -> float:
    """Seconds that `latent encode` needs for `items` images; the codes are checked. Raises BenchError."""
    model = bench.models[CONVOLUTIONAL]
    source, codes = bench.scratch / f"{items}.npy", bench.scratch / f"{items}-codes.npy"
    if not source.exists():
        np.save(source, np.resize(model.items.inputs, (items, *model.items.inputs.shape[1:])))
    command = [*bench.latent, "encode", model.name, str(source), "-o", str(codes), "--store", str(model.store)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENT_")}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - started
    if done.returncode != 0:
        raise BenchError(f"latent encode: {last_line(done.stderr)}")
    _check(codes, np.resize(model.items.z_mean, (items, model.items.z_mean.shape[1])), model.tolerance.atol)
    return took_s


def _check(path: Path, expected: np.ndarray, atol: float) -> None:
    codes = np.load(path)
    if codes.shape != expected.shape:
        raise BenchError(f"latent encode wrote codes of shape {codes.shape}, not {expected.shape}")
    off = np.abs(codes - expected).max()
    if not np.allclose(codes, expected, rtol=1e-4, atol=atol):
        raise BenchError(f"latent encode is off by {off:.2g} from TensorFlow's answer")
