"""Recording of a model during training: codes and decoded outputs at some epochs, and TensorBoard's logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from model_store.manifest import VectorInput
from training.autoencoder import Autoencoder
from training.frames import Frame, FrameStore, Kept
from training.inputs import Prepared
from training.manifold import code_grid, code_lines
from training.progress import Reporter
from training.symptoms import spread
from training.tensorboard_log import TensorBoardLog

_ITEMS = 1000
_SIDE = 15
_DRAWS = 100
_EXPONENT = 1.7


@dataclass
class _Turn:
    """Frames of one start, if several train one after the other; starts that train side by side share one."""

    frames: list[Frame] = field(default_factory=list)
    val_losses: set[float] = field(default_factory=set)


def frame_epochs(epochs: int) -> list[int]:
    """Choose the epochs to record, near k^1.7 for k = 1, 2, …: dense at first, when most changes, and the last one.

    50 epochs have 10 of them, 1,000 have 59.
    """
    found = {round(k**_EXPONENT) for k in range(1, int(epochs ** (1 / _EXPONENT)) + 2)}
    return sorted(epoch for epoch in found | {epochs} if epoch <= epochs)


@dataclass
class Recorder:
    """Records frames of a model in training, with random numbers of its own, so that the run does not change."""

    model: Autoencoder
    data: Prepared
    epochs: int
    log: TensorBoardLog | None = None
    store: FrameStore | None = None
    """Storage of the frames; for a resumed run it holds the frames from before."""
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._wanted = set(frame_epochs(self.epochs))
        self._x = spread(self.data.train.x, _ITEMS)
        labels = self.data.train.labels
        self._labels = None if labels is None else spread(labels, _ITEMS)
        self._turns: list[_Turn] = [_Turn()]
        self._before = [] if self.store is None else list(self.store.read())
        if not self._before:
            self._capture(0)

    @property
    def items(self) -> NDArray[np.int64]:
        """Indices in the training split of the items whose codes are recorded."""
        return spread(np.arange(len(self.data.train)), _ITEMS)

    def epoch(self, done: int, row: Mapping[str, float]) -> None:
        """Record an epoch that is over, the `done`th of all starts in sequence; `row` is its line of the history."""
        self._take_up(done)
        epoch, turn = int(row["epoch"]), self._turns[-1]
        if turn.val_losses and epoch == 1:
            turn = _Turn()
            self._turns.append(turn)
        turn.val_losses.add(row["val_loss"])
        if self.log is not None:
            self.log.scalars(done, row)
        if epoch in self._wanted:
            self._capture(epoch, done)
            if self.log is not None and self.data.is_image:
                self.log.image("decoded", done, turn.frames[-1].decoded)

    def finish(self, kept: Mapping[str, float]) -> None:
        """Record the final weights, of the epoch whose row is `kept`, and keep only the frames of that start."""
        self._take_up(None)
        self._turns = [turn for turn in self._turns if kept["val_loss"] in turn.val_losses] or self._turns
        self._capture(int(kept["epoch"]))
        self.frames = self._turns[-1].frames

    def _take_up(self, done: int | None) -> None:
        """Restore the frames from before an interruption, of epochs that are not repeated."""
        before, self._before = self._before, []
        for kept in before:
            if done is None or kept.done < done:
                while len(self._turns) <= kept.turn:
                    self._turns.append(_Turn())
                turn = self._turns[kept.turn]
                turn.frames.append(kept.frame)
                turn.val_losses.update(kept.val_losses)

    def _capture(self, epoch: int, done: int | None = None) -> None:
        codes, _ = self.model.encode_array(self._x, self._labels)
        turn = self._turns[-1]
        turn.frames.append(Frame(epoch, codes, self._decoded(codes)))
        if self.store is not None and (epoch == 0 or done is not None):
            self.store.add(Kept(turn.frames[-1], done or 0, len(self._turns) - 1, tuple(turn.val_losses)))

    def _decoded(self, codes: Float32) -> Float32:
        if isinstance(self.data.spec, VectorInput):
            lines = code_lines(codes) if self.data.spec.shape[0] == 2 else []
            return np.array([self.model.decode_array(line) for line in lines], np.float32)
        z = self._image_codes(codes)
        images = self.model.decode_array(z.reshape(-1, z.shape[-1]))
        return images.reshape(*z.shape[:2], *images.shape[1:])

    def _image_codes(self, codes: Float32) -> Float32:
        """Codes to decode: a grid over a 1-d or 2-d code, else the same hundred codes at every epoch."""
        if self.model.latent_dim <= 2:
            return code_grid(codes, gaussian=self.model.gaussian, side=_SIDE).codes
        side = int(_DRAWS**0.5)
        if self.model.gaussian:
            draws = np.random.default_rng(0).standard_normal((_DRAWS, self.model.latent_dim))
        else:
            draws = spread(codes, _DRAWS)[np.arange(_DRAWS) % len(codes)]
        return draws.astype(np.float32).reshape(side, side, -1)


@dataclass(frozen=True)
class Watching:
    """Reporter that also passes each epoch to a recorder."""

    reporter: Reporter
    recorder: Recorder

    def note(self, text: str) -> None:
        """Pass it to the reporter."""
        self.reporter.note(text)

    def warn(self, text: str) -> None:
        """Pass it to the reporter."""
        self.reporter.warn(text)

    def epoch(self, done: int, epochs: int, row: Mapping[str, float]) -> None:
        """Pass the epoch to the reporter and to the recorder."""
        self.reporter.epoch(done, epochs, row)
        self.recorder.epoch(done, row)

    def table(self, title: str, rows: Mapping[str, tuple[float | None, float | None]]) -> None:
        """Pass it to the reporter."""
        self.reporter.table(title, rows)
