"""Protocol of all data sets: chunks of items in order, with their labels and file names."""

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
    """Consecutive items of a data set, from number `start` on."""

    start: int
    items: Array | list[Path]
    """Numbers (n, …) of the file, or paths of n pictures, which are not read yet."""
    labels: list[str] | None = None
    """The class of each item, by name or number."""
    files: list[str] | None = None
    """Where each item comes from, below the data set's directory."""

    def __len__(self) -> int:
        return len(self.items)


class Dataset(Protocol):
    """A data set: items in a fixed order, read again from the start by each call of `chunks`."""

    path: Path
    count: int | None
    """Number of items; None if it is known only after reading to the end."""

    @property
    def labelled(self) -> bool:
        """Whether the chunks have labels."""

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Generate all items in order, `size` at a time or fewer. Raises CommandError at an unreadable item."""


@dataclass(frozen=True)
class Wanted:
    """Names of the arrays and columns to read from a file that may hold others too."""

    arrays: tuple[str, ...]
    """Possible names of the array in an archive; the first that exists is read."""
    columns: Callable[[Sequence[str]], Sequence[str] | None]
    """Chooses from a table's column names those to read, in order; None for all of them."""
    label: str | None = None
    """Name or number of the table's column that holds the class of each row."""
    usual_label: str | None = None
    """Name of a column that is the label whenever it exists, without being asked for."""


def items_wanted(manifest: Callable[[], Manifest], label: str | None = None) -> Wanted:
    """Names of items for the encoder. `manifest` is called only for a table, whose columns it names."""

    def columns(_header: Sequence[str]) -> Sequence[str] | None:
        spec, name = manifest().input, manifest().name
        if not isinstance(spec, VectorInput):
            raise CommandError(f"{name} takes {spec.kind}s: a table holds vectors")
        return spec.preprocess.columns if spec.preprocess is not None else None

    return Wanted(("x", "inputs", "outputs"), columns, label)


def codes_wanted(label: str | None = None) -> Wanted:
    """Names of codes for the decoder: in a table, columns z_0, z_1 … and `label`, as an encoding has them."""

    def columns(header: Sequence[str]) -> Sequence[str] | None:
        codes = [name for name in header if _CODE.fullmatch(name)]
        return sorted(codes, key=lambda name: int(name.removeprefix("z_"))) or None

    return Wanted(("z", "z_mean"), columns, label, usual_label="label")


def whole(dataset: Dataset) -> Chunk:
    """Read all items into memory. Raises CommandError for an empty data set."""
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
    """Format a label as a person writes it: 3 for 3.0."""
    value = value.item() if isinstance(value, np.generic) else value
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
