"""The directory of a run in progress: a lock and one checkpoint, which is replaced as a whole.

`<store>/.runs/<name>/checkpoint.npz` holds the arrays and, as JSON, the settings that made them; readers of a store
pass hidden directories over. It is gone once the version is published.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.archives import read_archive
from model_store.durable import write_durably
from model_store.errors import StoreNotWritable
from training.config import TrainConfig
from training.errors import NothingToResume, RunInUse

Array = NDArray[Any]
HistoryRow = dict[str, float]

RUNS = ".runs"
_CHECKPOINT = "checkpoint.npz"
_GROUPS = ("state", "optimizer", "best")


@dataclass(frozen=True)
class Checkpoint:
    """State of a run after an epoch: everything that the next epoch depends on."""

    history: list[HistoryRow]
    """One row an epoch and start."""
    state: Sequence[Array]
    optimizer: Sequence[Array]
    best: Sequence[Array]
    """Model state of the best epoch so far, of the best start so far."""


class Run:
    """A run in progress, locked by this process."""

    def __init__(self, directory: Path, config: TrainConfig, data_sha256: str) -> None:
        self.directory = directory
        self._path = directory / _CHECKPOINT
        settings = config.model_dump(mode="json", exclude={"published": True, "data": {"dir"}})
        self._identity = {**_flat(settings), "data": data_sha256}

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; after a kill either the old or the new one is there. Raises StoreNotWritable."""
        arrays = {f"{group}_{i:04d}": array for group in _GROUPS for i, array in enumerate(getattr(checkpoint, group))}
        document = json.dumps({"identity": self._identity, "history": checkpoint.history})
        buffer = io.BytesIO()
        np.savez(buffer, document=np.frombuffer(document.encode(), np.uint8), **arrays)
        try:
            write_durably(self._path, buffer.getvalue())
        except OSError as error:
            raise StoreNotWritable(f"{self._path} cannot be written ({error.strerror})") from error

    def load(self) -> Checkpoint:
        """Read the checkpoint. Raises NothingToResume if there is none, or naming the first setting that differs."""
        name = self._path.parent.name
        _require_checkpoint(self._path.parent)
        try:
            arrays = read_archive(self._path)
            document = json.loads(arrays.pop("document").tobytes())
        except (ValueError, KeyError) as error:
            raise NothingToResume(
                f"the checkpoint of {name!r} cannot be read ({error}); leave --resume away"
            ) from error
        recorded = document["identity"]
        for key in sorted(recorded.keys() | self._identity.keys()):
            then, now = recorded.get(key), self._identity.get(key)
            if then != now:
                raise NothingToResume(
                    f"the run of {name!r} had {key} = {then!r}, now it is {now!r}; nothing is resumed"
                )
        groups = {group: [arrays[key] for key in sorted(arrays) if key.startswith(f"{group}_")] for group in _GROUPS}
        return Checkpoint(history=document["history"], **groups)

    def discard(self) -> None:
        """Remove the checkpoint."""
        self._path.unlink(missing_ok=True)


@contextmanager
def claim(store: Path, name: str, config: TrainConfig, data_sha256: str, *, resume: bool = False) -> Iterator[Run]:
    """Lock the run of a name in a `with` block: until it ends, other processes are refused at once.

    With `resume` there must be a checkpoint; nothing is made where there is none. Raises RunInUse, NothingToResume or
    StoreNotWritable.
    """
    directory = store / RUNS / name
    if resume:
        _require_checkpoint(directory)
    try:
        descriptor = _lock(directory)
    except OSError as error:
        raise StoreNotWritable(f"{directory} cannot be written ({error.strerror})") from error
    try:
        yield Run(directory, config, data_sha256)
    finally:
        if not (directory / _CHECKPOINT).exists():
            shutil.rmtree(directory, ignore_errors=True)
            with suppress(OSError):
                directory.parent.rmdir()
        os.close(descriptor)


def _require_checkpoint(directory: Path) -> None:
    if not (directory / _CHECKPOINT).exists():
        raise NothingToResume(f"there is no interrupted run of {directory.name!r} in this store; leave --resume away")


def _lock(directory: Path) -> int:
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(directory, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its last holder took the directory away in between
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == directory.stat().st_ino:
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise RunInUse(f"another process is training {directory.name!r} in this store") from error
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested sections to dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
