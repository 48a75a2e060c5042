"""Labels of a conditional model's items: from the command line, or from the data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent.datasets import Chunk, Dataset
from latent.errors import CommandError
from model_store.arrays import Float32
from model_store.manifest import Manifest
from model_store.preprocess import one_hot_rows

_INDEX = re.compile("[0-9]{1,6}")


@dataclass(frozen=True)
class Condition:
    """Labels of all items, converted to the network's one-hot arrays chunk by chunk."""

    manifest: Manifest
    dataset: Dataset
    given: NDArray[np.int64] | None
    """Class indices: one for all, or one for each item; None if the data set has them."""

    def of(self, chunk: Chunk) -> dict[str, Float32]:
        """`labels` (n, classes) of a chunk's items; nothing for an unconditional model.

        Raises CommandError for a class that the model does not know, and for more items than labels.
        """
        if not self.manifest.input.conditional:
            return {}
        if self.given is None:
            indices = np.array([self._index(chunk.start + at, text) for at, text in enumerate(chunk.labels or ())])
        elif len(self.given) == 1:
            indices = np.repeat(self.given, len(chunk))
        else:
            indices = self.given[chunk.start : chunk.start + len(chunk)]
            if len(indices) < len(chunk):
                raise self.uneven("more")
        return one_hot_rows(indices, self.manifest.input)

    def check_count(self, count: int) -> None:
        """Raise CommandError unless there is one label for all, or one for each of `count` items."""
        if self.given is not None and len(self.given) not in (1, count):
            raise self.uneven(str(count))

    def uneven(self, items: str) -> CommandError:
        """Make the error for a number of labels that does not fit the items."""
        labels = 0 if self.given is None else len(self.given)
        return CommandError(f"{labels} labels for {items} items: give one for all, or one for each")

    def _index(self, item: int, text: str) -> int:
        index = class_index(text, self.manifest)
        if index is None:
            expected = ", ".join(self.manifest.input.class_names or ())
            raise CommandError(f"{self.dataset.path}, item {item}: unknown label {text!r} (expected one of {expected})")
        return index


def condition(manifest: Manifest, dataset: Dataset, labels: Sequence[int | str] | None, option: str) -> Condition:
    """Choose the labels of `option` (such as --labels), else the data set's own.

    Raises CommandError where a conditional model has neither, or an unconditional one is given some.
    """
    if labels is None:
        if manifest.input.conditional and not dataset.labelled:
            expected = ", ".join(manifest.input.class_names or ())
            raise CommandError(
                f"{manifest.name} is conditional: it needs {option} (one of {expected}, for all or for each)"
            )
        return Condition(manifest, dataset, None)
    if not manifest.input.conditional:
        raise CommandError(f"{manifest.name} takes no labels")
    indices: list[int] = []
    for label in labels:
        index = class_index(str(label), manifest)
        if index is None:
            raise CommandError(
                f"unknown label {label!r} (expected one of {', '.join(manifest.input.class_names or ())})"
            )
        indices.append(index)
    given = Condition(manifest, dataset, np.array(indices, np.int64))
    if dataset.count is not None:
        given.check_count(dataset.count)
    return given


def class_index(text: str, manifest: Manifest) -> int | None:
    """Find the class index of a text: a class name, else an index from 0; None if it is neither."""
    classes = manifest.input.class_names or ()
    if text in classes:
        return classes.index(text)
    return int(text) if _INDEX.fullmatch(text) and int(text) < len(classes) else None
