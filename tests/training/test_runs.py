"""The directory of a run: one owner, complete checkpoints, and no resuming of a different run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import training
from training.errors import NothingToResume, RunInUse
from training.frames import FrameStore
from training.runs import RUNS, Checkpoint, claim

CONFIG = training.load_recipe("mnist-vae")
CHECKPOINT = Checkpoint(
    history=[{"epoch": 1, "val_loss": 0.1 + 0.2}],
    state=[np.arange(3.0), np.ones((2, 2), np.float32)],
    optimizer=[np.array(7)],
    best=[np.zeros(3), np.ones((2, 2), np.float32)],
)


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    with claim(tmp_path, "m", CONFIG, "abc") as run:
        run.save(CHECKPOINT)
    with claim(tmp_path, "m", CONFIG, "abc") as run:
        loaded = run.load()
    assert loaded.history == CHECKPOINT.history
    for group in ("state", "optimizer", "best"):
        for got, saved in zip(getattr(loaded, group), getattr(CHECKPOINT, group), strict=True):
            np.testing.assert_array_equal(got, saved)
            assert got.dtype == saved.dtype


def test_a_second_run_of_that_name_is_refused_and_others_are_not(tmp_path: Path) -> None:
    with claim(tmp_path, "m", CONFIG, "abc"):
        with pytest.raises(RunInUse, match="another process is training 'm' in this store"):
            claim(tmp_path, "m", CONFIG, "abc").__enter__()
        with claim(tmp_path, "other", CONFIG, "abc"):
            assert sorted(path.name for path in (tmp_path / RUNS).iterdir()) == ["m", "other"]
    assert not (tmp_path / RUNS).exists()


@pytest.mark.parametrize(
    ("settings", "data", "message"),
    [
        ({"training.epochs": "51"}, "abc", r"the run of 'm' had training\.epochs = 50, now it is 51"),
        ({"model.kernel": "5"}, "abc", r"had model\.kernel = 3, now it is 5"),
        ({}, "abd", "had data = 'abc', now it is 'abd'"),
    ],
)
def test_other_settings_or_data_are_not_resumed(
    tmp_path: Path, settings: dict[str, str], data: str, message: str
) -> None:
    with claim(tmp_path, "m", CONFIG, "abc") as run:
        run.save(CHECKPOINT)
    with (
        claim(tmp_path, "m", training.configure("mnist-vae", settings=settings), data) as run,
        pytest.raises(NothingToResume, match=message),
    ):
        run.load()


def test_nothing_to_resume(tmp_path: Path) -> None:
    with (
        claim(tmp_path, "m", CONFIG, "abc") as run,
        pytest.raises(NothingToResume, match="there is no interrupted run of 'm' in this store"),
    ):
        run.load()
    with claim(tmp_path, "m", CONFIG, "abc") as run:
        run.save(CHECKPOINT)
        (tmp_path / RUNS / "m" / "checkpoint.npz").write_bytes(b"torn")
        with pytest.raises(NothingToResume, match="the checkpoint of 'm' cannot be read"):
            run.load()


def test_a_run_is_resumed_beside_what_systems_leave_behind(tmp_path: Path) -> None:
    with claim(tmp_path, "m", CONFIG, "abc") as run:
        run.save(CHECKPOINT)
    for name in (".DS_Store", "._checkpoint.npz", "._frame-0000001.npz", ".nfs00000000000123"):
        (tmp_path / RUNS / "m" / name).write_bytes(b"x")
    os.mkfifo(tmp_path / RUNS / "m" / ".fuse_hidden01")
    with claim(tmp_path, "m", CONFIG, "abc", resume=True) as run:
        assert run.load().history == CHECKPOINT.history
        assert list(FrameStore(run.directory).read()) == []
        run.discard()
    assert not (tmp_path / RUNS).exists()


def test_a_pipe_in_the_place_of_a_checkpoint_or_a_frame_is_not_waited_for(tmp_path: Path) -> None:
    with claim(tmp_path, "m", CONFIG, "abc") as run:
        os.mkfifo(run.directory / "checkpoint.npz")
        os.mkfifo(run.directory / "frame-0000001.npz")
        with pytest.raises(NothingToResume, match="it is a pipe, no regular file"):
            run.load()
        assert list(FrameStore(run.directory).read()) == []
