"""Train, validation and test: shuffled, disjoint, and always the same for the same data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError

Indices = NDArray[np.int64]

MIN_ITEMS = 40
MIN_HELD_OUT = 8
"""Goldens are at least eight validation items."""
VALIDATION_SHARE = 0.05
TEST_SHARE = 0.10
OFFICIAL_VALIDATION_SHARE = 1 / 12
"""5,000 of MNIST's 60,000."""
_SEED = 0  # of its own: another training seed must not move an item from one split to another


@dataclass(frozen=True)
class Splits:
    """Indices of the items in each split; together they are all items, each once."""

    train: Indices
    validation: Indices
    test: Indices


def split(n: int, official_test: int | None = None, train_every: int = 1) -> Splits:
    """Split n items: 5 % validation and 10 % test, or the source's own test split and the last twelfth before it.

    With `train_every` k > 1 the training items are every k-th of the source's order; validation and test are taken
    from the others. Raises DataError for fewer than 40 items.
    """
    if n < MIN_ITEMS:
        raise DataError(f"there are {n} items; at least {MIN_ITEMS} are needed for training, validation and test")
    if train_every > 1:
        return _thinned(n, official_test, train_every)
    if official_test is not None:
        validation = max(MIN_HELD_OUT, round(official_test * OFFICIAL_VALIDATION_SHARE))
        if official_test < MIN_ITEMS or n - official_test < 1:
            raise DataError(f"{official_test} training and {n - official_test} test items are too few")
        order = np.arange(n)
        cut = official_test - validation
        return Splits(order[:cut], order[cut:official_test], order[official_test:])
    order = np.random.default_rng(_SEED).permutation(n)
    validation = max(MIN_HELD_OUT, round(n * VALIDATION_SHARE))
    test = max(MIN_HELD_OUT, round(n * TEST_SHARE))
    return Splits(order[validation + test :], order[:validation], order[validation : validation + test])


def _thinned(n: int, official_test: int | None, train_every: int) -> Splits:
    if official_test is not None:
        whole = split(n, official_test)
        return Splits(whole.train[::train_every], whole.validation, whole.test)
    everything = np.arange(n)
    others = np.random.default_rng(_SEED).permutation(everything[everything % train_every != 0])
    validation = max(MIN_HELD_OUT, round(n * VALIDATION_SHARE))
    return Splits(everything[::train_every], others[:validation], others[validation:])
