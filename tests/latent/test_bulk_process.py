"""Verbs on data sets in a process of its own: memory, signals, full disks, imports."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.latent.conftest import Outcome, command, environment, run_process

DEADLINE_S = 120.0


def sparse_pictures(path: Path, items: int, dtype: str) -> None:
    """Black pictures for `rgb` that take no space: (items, 6, 4, 3)."""
    with path.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (items, 6, 4, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + items * 72 * np.dtype(dtype).itemsize)


def run_and_print(cwd: Path, script: str, *arguments: object) -> Outcome:
    """The command in a process that sees to something before, and prints something after."""
    program = f"import resource, sys\nfrom latent.cli import run\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_memory_does_not_grow_with_the_data(store: Path, tmp_path: Path) -> None:
    script = "assert run(sys.argv[1:]) == 0\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    peaks = []
    for items in (2_000, 290_000):
        sparse_pictures(tmp_path / "items.npy", items, "f8")
        ran = run_and_print(
            tmp_path, script, "reconstruct", "rgb", "items.npy", "-o", "scores.parquet", "--store", store
        )
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.splitlines()[0] == f"scores.parquet: {items} × 6 from rgb@1"
        peaks.append(int(ran.out.splitlines()[-1]) << 10)
    assert (tmp_path / "items.npy").stat().st_size > 159 << 20
    assert peaks[1] - peaks[0] < 80 << 20


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_an_interrupted_run_leaves_nothing(
    store: Path, tmp_path: Path, suffix: str, number: signal.Signals, code: int
) -> None:
    sparse_pictures(tmp_path / "items.npy", 100_000_000, "u1")
    (tmp_path / f"codes.{suffix}").write_text("old")
    running = subprocess.Popen(
        command("encode", "rgb", "items.npy", "-o", f"codes.{suffix}", "--store", store),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + DEADLINE_S
    while not list(tmp_path.glob(f".codes.{suffix}.*.tmp")):
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    running.send_signal(number)
    out, err = running.communicate(timeout=DEADLINE_S)
    assert (running.returncode, out, err) == (code, b"", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"codes.{suffix}", "items.npy"]
    assert (tmp_path / f"codes.{suffix}").read_text() == "old"


@pytest.mark.parametrize("suffix", ["npy", "csv", "parquet"])
def test_a_full_disk_is_one_line(store: Path, tmp_path: Path, suffix: str) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (30_000, 6, 4, 3), np.uint8)
    np.save(tmp_path / "items.npy", pictures)
    limit = 150_000  # the engine's copy of the network is smaller, the codes are larger
    script = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\nsys.exit(run(sys.argv[1:]))"
    ran = run_and_print(tmp_path, script, "encode", "rgb", "items.npy", "-o", f"codes.{suffix}", "--store", store)
    assert ran.complaint == f"codes.{suffix} cannot be written (file too large)"
    assert [path.name for path in tmp_path.iterdir()] == ["items.npy"]


def test_without_pyarrow_parquet_is_one_line(store: Path, tmp_path: Path) -> None:
    sparse_pictures(tmp_path / "items.npy", 3, "u1")
    (tmp_path / "codes.parquet").write_bytes(b"")
    script = "sys.modules['pyarrow'] = None\nsys.exit(run(sys.argv[1:]))"
    complaint = ".parquet needs pyarrow: pip install '.[parquet]'"
    for arguments in (["encode", "rgb", "items.npy", "-o", "x.parquet"], ["decode", "rgb", "codes.parquet"]):
        assert run_and_print(tmp_path, script, *arguments, "--store", store).complaint == complaint


def test_no_tensorflow_is_imported(store: Path, tmp_path: Path) -> None:
    sparse_pictures(tmp_path / "items.npy", 3, "u1")
    heavy = "('tensorflow', 'keras', 'training', 'fastapi', 'pyarrow', 'scipy.stats')"
    script = f"run(sys.argv[1:])\nprint([name for name in {heavy} if name in sys.modules])"
    ran = run_and_print(tmp_path, script, "encode", "rgb", "items.npy", "-o", "codes.npy", "--store", store)
    assert ran.out.splitlines() == ["codes.npy: 3 × 2 from rgb@1", "[]"]


def test_nothing_is_said_where_nobody_watches(store: Path, tmp_path: Path) -> None:
    sparse_pictures(tmp_path / "items.npy", 1_000, "u1")
    ran = run_process("encode", "rgb", "items.npy", "-o", "codes.npy", "--store", store, cwd=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, "codes.npy: 1000 × 2 from rgb@1\n", "")
