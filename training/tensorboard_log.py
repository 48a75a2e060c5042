"""Event files for TensorBoard, written by TensorFlow; TensorBoard itself need not be installed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from model_store.arrays import Float32
from training.errors import TrainingError
from training.tensorflow_import import import_tensorflow


def check_log_directory(directory: Path) -> None:
    """Make the directory of the logs. Raises TrainingError if it cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"TensorBoard's logs cannot go to {directory} ({error.strerror})") from error
    if not os.access(directory, os.W_OK):
        raise TrainingError(f"TensorBoard's logs cannot go to {directory} (permission denied)")


class TensorBoardLog:
    """Log of one run for TensorBoard."""

    def __init__(self, writer: Any) -> None:  # noqa: ANN401 - TensorFlow publishes no types
        self._writer = writer

    def scalars(self, epoch: int, row: Mapping[str, float]) -> None:
        """Log a history row: one curve a column, with training and validation of a term in one chart."""
        tf = import_tensorflow()
        values = [
            tf.compat.v1.Summary.Value(tag=_tag(name, row), simple_value=value)
            for name, value in row.items()
            if name not in ("epoch", "start")
        ]
        self._write(epoch, values)

    def image(self, name: str, epoch: int, images: Float32) -> None:
        """Log a sheet of images (rows, columns, h, w, c) in [0, 1]."""
        tf = import_tensorflow()
        rows, columns, height, width, channels = images.shape
        sheet = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
        pixels = np.round(255 * np.clip(sheet, 0.0, 1.0)).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(buffer, "PNG")
        image = tf.compat.v1.Summary.Image(
            height=sheet.shape[0], width=sheet.shape[1], colorspace=channels, encoded_image_string=buffer.getvalue()
        )
        self._write(epoch, [tf.compat.v1.Summary.Value(tag=name, image=image)])

    def _write(self, epoch: int, values: list[Any]) -> None:
        tf = import_tensorflow()
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(
                tf.compat.v1.Summary(value=values).SerializeToString(), step=tf.constant(epoch, tf.int64)
            )


@contextmanager
def tensorboard_log(directory: Path | None, name: str) -> Iterator[TensorBoardLog | None]:
    """Open a run's log in `directory`/`name`, complete on disk at the end of the block; None without a directory."""
    if directory is None:
        yield None
        return
    writer = import_tensorflow().summary.create_file_writer(str(directory / name))
    try:
        yield TensorBoardLog(writer)
    finally:
        writer.close()


def _tag(column: str, row: Mapping[str, float]) -> str:
    if column.startswith("val_"):
        return f"{column.removeprefix('val_')}/validation"
    return f"{column}/training" if f"val_{column}" in row else column
