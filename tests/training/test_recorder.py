"""Recording during training: frames, GIFs and TensorBoard's logs."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import training
from tests.training.files import write_table
from training.recorder import frame_epochs
from training.tensorflow_import import import_tensorflow


@pytest.mark.parametrize(
    ("epochs", "frames"),
    [
        (1, [1]),
        (5, [1, 3, 5]),
        (20, [1, 3, 6, 11, 15, 20]),
        (50, [1, 3, 6, 11, 15, 21, 27, 34, 42, 50]),
    ],
)
def test_frames_come_often_at_first_and_end_with_the_last_epoch(epochs: int, frames: list[int]) -> None:
    assert frame_epochs(epochs) == frames


def test_a_thousand_epochs_have_no_more_than_sixty_frames() -> None:
    frames = frame_epochs(1000)
    assert len(frames) == 59
    assert (np.diff(frames)[:-1] >= np.diff(frames)[0] - 1).all()


def test_gifs_move_from_before_training_to_the_kept_weights(picture_run: training.TrainResult) -> None:
    for name in ("codes.gif", "manifold.gif"):
        with Image.open(picture_run.report / name) as gif:
            # Before training, epoch 1, epoch 2, and what is kept, which is one of them: equal frames are one.
            assert 3 <= getattr(gif, "n_frames", 1) <= 4
            assert max(gif.size) <= 480


def test_a_code_of_one_number_is_recorded_of_the_start_that_is_kept(tmp_path: Path) -> None:
    config = training.configure(
        "sine-deep-ae",
        epochs=2,
        settings={"model.hidden": "[8]", "training.min_epoch_steps": "5", "training.restarts": "2"},
    )
    result = training.train(config, store=tmp_path)
    with Image.open(result.report / "manifold.gif") as gif:
        assert getattr(gif, "n_frames", 1) >= 2
    measured = json.loads((result.report / "diagnosis.json").read_text())["measured"]
    assert 0.0 <= measured["code_rho"] <= 1.0
    assert (result.report / "encoder.png").is_file()


def test_tensorboard_gets_every_column_of_every_epoch(tmp_path: Path) -> None:
    config = training.configure("mnist-vae-mlp", data=str(write_table(tmp_path / "t.csv", label=False)), epochs=2)
    result = training.train(config, store=tmp_path / "store", name="t", tensorboard=tmp_path / "logs")
    (log,) = (tmp_path / "logs" / "t").iterdir()
    found = _scalars(log)
    assert {tag for tag, _ in found} == {
        "beta", "loss/training", "loss/validation", "nll/training", "nll/validation", "kl/training", "kl/validation",
    }  # fmt: skip
    rows = (result.report / "history.csv").read_text().splitlines()
    column = rows[0].split(",").index("val_loss")
    for epoch in (1, 2):
        assert found["loss/validation", epoch] == pytest.approx(float(rows[epoch].split(",")[column]), rel=1e-6)


def test_logs_that_cannot_be_written_are_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(training.TrainingError, match=r"TensorBoard's logs cannot go to .*file"):
        training.train(training.load_recipe("sine-linear-ae"), store=tmp_path, tensorboard=tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def _scalars(log: Path) -> dict[tuple[str, int], float]:
    """(tag, step) -> value of an event file: records of length (8 bytes), its check sum (4), event, check sum (4)."""
    tf = import_tensorflow()
    data, at = log.read_bytes(), 0
    found: dict[tuple[str, int], float] = {}
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = tf.compat.v1.Event.FromString(data[at + 12 : at + 12 + length])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        at += 16 + length
    return found
