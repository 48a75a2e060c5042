"""Animations of the model through training, as GIFs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from model_store.manifest import VectorInput
from model_store.preprocess import input_to_table
from training.export import coordinates
from training.figures.animation import animate, animate_codes, animate_images
from training.figures.vectors import draw_plane_manifold
from training.frames import Frame
from training.recorder import Recorder
from training.report.context import Context

_SCATTERED = 1000


def animations(directory: Path, context: Context, recorder: Recorder) -> None:
    """Write manifold.gif and codes.gif, unless there are too few frames."""
    frames = recorder.frames
    if len(frames) < 2:
        return
    titles = [_title(frame) for frame in frames[:-1]] + [f"epoch {frames[-1].epoch}: the weights that are kept"]
    _codes(directory / "codes.gif", context, recorder, titles)
    spec = context.data.spec
    if isinstance(spec, VectorInput):
        if spec.shape[0] == 2:
            _plane(directory / "manifold.gif", context, spec, frames, titles)
    else:
        animate_images(directory / "manifold.gif", titles, [context.pictures(frame.decoded) for frame in frames])


def _codes(path: Path, context: Context, recorder: Recorder, titles: Sequence[str]) -> None:
    labels = context.data.train.labels
    last = recorder.frames[-1].codes
    # Longer codes are all projected onto the principal components of the last ones.
    points = [frame.codes if last.shape[1] <= 2 else coordinates(last, frame.codes) for frame in recorder.frames]
    axes = ("z[0]", "z[1]") if last.shape[1] <= 2 else ("first principal component", "second principal component")
    own = None if labels is None else labels[recorder.items]
    animate_codes(path, titles, points, own, context.data.spec.class_names, axes)


def _plane(path: Path, context: Context, spec: VectorInput, frames: Sequence[Frame], titles: Sequence[str]) -> None:
    items = np.asarray(context.data.train.inputs[:_SCATTERED], np.float32)

    def drawn(frame: Frame, title: str) -> Callable[[Axes], None]:
        curves = [input_to_table(line, spec) for line in frame.decoded]

        def draw(axis: Axes) -> None:
            draw_plane_manifold(axis, items, curves, context.columns, truth=context.data.curve)
            axis.set_title(title)

        return draw

    animate(path, [drawn(frame, title) for frame, title in zip(frames, titles, strict=True)])


def _title(frame: Frame) -> str:
    return "before training" if frame.epoch == 0 else f"epoch {frame.epoch}"
