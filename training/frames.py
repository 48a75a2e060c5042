"""Frames of a run's animations, kept on disk: after an interruption the animations still start at epoch 0."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_store.archives import read_archive
from model_store.arrays import Float32
from model_store.durable import write_durably

_PATTERN = "frame-*.npz"


@dataclass(frozen=True)
class Frame:
    """Codes and decoded outputs of the model after one epoch."""

    epoch: int
    """Number of the epoch, from 1; 0 is before the first."""
    codes: Float32
    """z_mean (n, d) of the recorder's training items."""
    decoded: Float32
    """Images or sequences (rows, columns, *shape), or in the plane lines (m, points, 2)."""


@dataclass(frozen=True)
class Kept:
    """A frame as stored on disk, with its place in the run."""

    frame: Frame
    done: int
    """Number of finished epochs, of all starts one after the other."""
    turn: int
    """Number of the start, of several that train one after the other."""
    val_losses: tuple[float, ...]
    """Validation losses of this start's epochs so far."""


class FrameStore:
    """Frames in a run's directory; they are removed together with it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, kept: Kept) -> None:
        """Store a frame. If the disk refuses, a resumed run lacks this frame."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            codes=kept.frame.codes,
            decoded=kept.frame.decoded,
            place=np.array([kept.done, kept.turn, kept.frame.epoch]),
            val_losses=np.array(kept.val_losses, np.float64),
        )
        with suppress(OSError):
            write_durably(self._directory / f"frame-{kept.done:07d}.npz", buffer.getvalue())

    def read(self) -> Iterator[Kept]:
        """Read all frames in order; skip those that cannot be read."""
        for path in self._paths():
            with suppress(OSError, ValueError, KeyError):
                arrays = read_archive(path)
                done, turn, epoch = (int(number) for number in arrays["place"])
                frame = Frame(epoch, arrays["codes"], arrays["decoded"])
                yield Kept(frame, done, turn, tuple(arrays["val_losses"].tolist()))

    def clear(self) -> None:
        """Remove all frames."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _paths(self) -> Sequence[Path]:
        return sorted(self._directory.glob(_PATTERN))
