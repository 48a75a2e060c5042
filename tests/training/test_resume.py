"""A run that is killed and resumed ends with the weights of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import training
from training.errors import NothingToResume
from training.runs import RUNS

ROOT = Path(__file__).parents[2]
EPOCHS = 12
KILL_AFTER = 4
SETTINGS = {"model.hidden": "[16]", "objective.kl_warmup": "0.5", "training.min_epoch_steps": "5"}
PROGRAM = """
import sys, training
from pathlib import Path
config = training.configure("mnist-vae-mlp", data=sys.argv[1], epochs=int(sys.argv[3]),
                            settings=dict(pair.split("=", 1) for pair in sys.argv[4:]))
training.train(config, store=Path(sys.argv[2]), name="killed", progress=True)
"""


def test_sigkill_then_resume_repeats_the_undisturbed_run(table: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    config = training.configure("mnist-vae-mlp", data=str(table), epochs=EPOCHS, settings=SETTINGS)
    undisturbed = training.train(config, store=store, name="undisturbed")

    arguments = [str(table), str(store), str(EPOCHS), *(f"{key}={value}" for key, value in SETTINGS.items())]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:  # dropout's and the noise's streams are well under way by then
        if line.startswith(f"epoch {KILL_AFTER}/{EPOCHS}"):
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stderr.close()
    assert process.wait() == -signal.SIGKILL
    assert (store / RUNS / "killed" / "checkpoint.npz").is_file()
    assert not (store / "killed").exists()

    resumed = training.train(config, store=store, name="killed", resume=True)
    assert not (store / RUNS).exists()
    for metric, (value, _) in undisturbed.metrics.items():
        assert resumed.metrics[metric][0] == pytest.approx(value, rel=1e-6), metric
    histories = [(run.report / "history.csv").read_text().splitlines() for run in (undisturbed, resumed)]
    assert len(histories[0]) == len(histories[1]) == EPOCHS + 1
    assert histories[0] == histories[1]
    # Before training, epochs 1, 3, 6 and 11, and the one that is kept, which may be one of these.
    assert _frames(undisturbed.report / "codes.gif") == _frames(resumed.report / "codes.gif") >= 5


def _frames(path: Path) -> int:
    with Image.open(path) as film:
        return int(getattr(film, "n_frames", 1))


def test_resuming_what_was_published_is_refused(table: Path, tmp_path: Path) -> None:
    config = training.configure("mnist-vae-mlp", data=str(table), epochs=1, settings=SETTINGS)
    with pytest.raises(NothingToResume):
        training.train(config, store=tmp_path / "store", resume=True)
    assert not (tmp_path / "store" / RUNS).exists()
