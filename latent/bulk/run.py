"""One bulk run: a verb over a data set, into a file."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from latent.bulk.pipeline import in_order
from latent.bulk.progress import Advance
from latent.bulk.staged import staged, written
from latent.bulk.verbs import Verb
from latent.datasets import Dataset
from latent.errors import CommandError
from latent.writers import writer_for

_TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Summary:
    """Summary of a finished run."""

    items: int
    shape: tuple[int, ...]
    """Shape of the written array: (items, …)."""
    seconds: float
    """Seconds from reading the first item to the finished file, without loading the model."""


def run(dataset: Dataset, verb: Verb, output: Path, *, batch: int, workers: int, advance: Advance) -> Summary:
    """Read, infer and write at the same time; `advance` is called with the number of items done.

    `output` is there when all is done, and as it was before where anything fails or interrupts. Raises CommandError.
    """
    started, items = time.perf_counter(), 0
    item_shape: tuple[int, ...] = ()
    with (
        _termination_cleans_up(),
        _warnings_dropped(),
        staged(output) as file,
        closing(writer_for(output, file)) as writer,
        closing(in_order(dataset.chunks(batch), verb, workers=workers)) as answers,
    ):
        for rows in answers:
            with written(output):
                writer.write(rows)
            items += len(rows)
            item_shape = rows.item_shape
            advance(len(rows))
        if not items:
            raise CommandError(f"{dataset.path} holds no items")
        with written(output):
            writer.finish()
    return Summary(items, (items, *item_shape), time.perf_counter() - started)


@contextmanager
def _termination_cleans_up() -> Iterator[None]:
    """Let SIGTERM, which schedulers send, end the run as Ctrl-C does: no files are left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _warnings_dropped() -> Iterator[None]:
    """Silence Pillow's warnings for a whole run: doing so for each picture is not safe with threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
