"""What every data set is to its reader: chunks of items in their order, and what is known of each item."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latent.errors import CommandError
from model_store.manifest import Manifest, VectorInput

Array = NDArray[Any]

_CODE = re.compile(r"z_(\d+)")


@dataclass(frozen=True)
class Chunk:
    """Items `start`, `start + 1` … of a data set."""

    start: int
    items: Array | list[Path]
    """Numbers (n, …) as they stand in the file, or n pictures, not read yet."""
    labels: list[str] | None = None
    """The class of each item, by name or number."""
    files: list[str] | None = None
    """Where each item comes from, below the data set's directory."""

    def __len__(self) -> int:
        return len(self.items)


class Dataset(Protocol):
    """Items in an order of their own, read from the start each time."""

    path: Path
    count: int | None
    """How many items there are; None where only reading to the end tells."""

    @property
    def labelled(self) -> bool:
        """Whether the chunks have labels."""

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All items in their order, `size` at a time, fewer at an end. Raises CommandError at what cannot be read."""


@dataclass(frozen=True)
class Wanted:
    """What is looked for in a file that may hold more than that."""

    arrays: tuple[str, ...]
    """Names of the array in an archive, the first that is there."""
    columns: Callable[[Sequence[str]], Sequence[str] | None]
    """The names of a table's columns -> those that are read, in their order; None for all of them."""
    label: str | None = None
    """Name or number of the table's column that holds the class of each row."""
    usual_label: str | None = None
    """Name of such a column that needs no mention: where it is there, it is the label."""


def items_wanted(manifest: Callable[[], Manifest], label: str | None = None) -> Wanted:
    """Items for the encoder. `manifest` is asked only for a table, whose columns it names."""

    def columns(_header: Sequence[str]) -> Sequence[str] | None:
        spec, name = manifest().input, manifest().name
        if not isinstance(spec, VectorInput):
            raise CommandError(f"{name} takes {spec.kind}s: a table holds vectors")
        return spec.preprocess.columns if spec.preprocess is not None else None

    return Wanted(("x", "inputs", "outputs"), columns, label)


def codes_wanted(label: str | None = None) -> Wanted:
    """Codes for the decoder: columns z_0, z_1 … and `label` of a table, where it has them as an encoding does."""

    def columns(header: Sequence[str]) -> Sequence[str] | None:
        codes = [name for name in header if _CODE.fullmatch(name)]
        return sorted(codes, key=lambda name: int(name.removeprefix("z_"))) or None

    return Wanted(("z", "z_mean"), columns, label, usual_label="label")


def whole(dataset: Dataset) -> Chunk:
    """All items at once, in memory. Raises CommandError for a data set that holds none."""
    parts = list(dataset.chunks(dataset.count or 65536))
    if not sum(map(len, parts)):
        raise CommandError(f"{dataset.path} holds no items")
    pictures = [path for part in parts if isinstance(part.items, list) for path in part.items]
    arrays = [part.items for part in parts if isinstance(part.items, np.ndarray)]
    return Chunk(
        0,
        pictures or np.concatenate(arrays),
        [label for part in parts for label in part.labels or ()] or None,
        [name for part in parts for name in part.files or ()] or None,
    )


def label_text(value: object) -> str:
    """A label as a person would write it: 3 for 3.0."""
    value = value.item() if isinstance(value, np.generic) else value
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
