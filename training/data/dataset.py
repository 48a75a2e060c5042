"""The result of every data source: the items, their labels, and facts about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32, UInt8
from training.errors import DataError

Labels = NDArray[np.int64]

NOT_STATED = "not stated"
MAX_CLASSES = 1000
MIN_CLASS_ITEMS = 2
"""Least items a class, on average; below this a label is more likely a measurement or a key."""


@dataclass(frozen=True)
class Dataset:
    """n items in the order of their source, with labels and facts about them."""

    name: str
    inputs: UInt8 | Float32
    """Images: uint8 (n, h, w, 1 or 3). Vectors: float32 (n, f) in the user's own units."""
    labels: Labels | None = None
    """Class indices (n,)."""
    class_names: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    """Names of the features, where the table has them."""
    one_unit: bool = False
    """Whether the features are coordinates in one unit, so that standardising each by itself would bend the space."""
    licence: str = NOT_STATED
    curve: Float32 | None = None
    """Points (m, f) along the curve, in order, if the items are a known curve plus noise."""
    official_test: int | None = None
    """Index of the first item of the source's own test split, if it has one; that split runs to the end."""

    def __len__(self) -> int:
        return len(self.inputs)

    def sha256(self) -> str:
        """SHA-256 of the items, their shape and their labels."""
        digest = hashlib.sha256(repr((self.inputs.dtype.str, self.inputs.shape)).encode())
        digest.update(np.ascontiguousarray(self.inputs).data)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


def class_labels(values: Sequence[Any] | NDArray[Any]) -> tuple[Labels, tuple[str, ...]]:
    """Convert labels of any type to class indices (n,) and class names, in numerical or alphabetical order.

    Raises DataError where there are too many different values for a label.
    """
    texts = [_text(value) for value in values]
    names = sorted(set(texts), key=_numbers_first)
    if len(names) > MAX_CLASSES:
        raise DataError(f"the label has {len(names)} different values; a label has at most {MAX_CLASSES}")
    if len(names) > 2 * MIN_CLASS_ITEMS and len(names) * MIN_CLASS_ITEMS > len(texts):
        raise DataError(f"the label has {len(names)} different values in {len(texts)} items: that is no label")
    index = {name: i for i, name in enumerate(names)}
    return np.array([index[text] for text in texts], np.int64), tuple(names)


def _text(value: object) -> str:
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return str(number).strip()


def _numbers_first(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
