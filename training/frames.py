"""Looks at a model on its way that outlive the process: an interrupted run's films begin at its beginning."""

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
    """The model after an epoch."""

    epoch: int
    """0 before the first."""
    codes: Float32
    """z_mean (n, d) of the recorder's training items."""
    decoded: Float32
    """Images or sequences (rows, columns, *shape), or in the plane lines (m, points, 2)."""


@dataclass(frozen=True)
class Kept:
    """A frame as it was written down."""

    frame: Frame
    done: int
    """Epochs of all starts in turn that were over."""
    turn: int
    """Of several starts in turn, which."""
    val_losses: tuple[float, ...]
    """Of the turn's epochs until then."""


class FrameStore:
    """Frames in the directory of a run, which takes them with it when it is over."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, kept: Kept) -> None:
        """Write a frame down. Where that cannot be done, a resumed run does without it."""
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
        """What is there, in its order; what cannot be read is left out."""
        for path in self._paths():
            with suppress(OSError, ValueError, KeyError):
                arrays = read_archive(path)
                done, turn, epoch = (int(number) for number in arrays["place"])
                frame = Frame(epoch, arrays["codes"], arrays["decoded"])
                yield Kept(frame, done, turn, tuple(arrays["val_losses"].tolist()))

    def clear(self) -> None:
        """Forget all."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _paths(self) -> Sequence[Path]:
        return sorted(self._directory.glob(_PATTERN))
