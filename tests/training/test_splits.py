"""Splits: disjoint, complete, always the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.splits import split
from training.errors import DataError


@given(n=st.integers(40, 3000), official=st.none() | st.integers(40, 2000))
def test_every_item_is_in_exactly_one_split(n: int, official: int | None) -> None:
    n = n if official is None else official + n
    splits = split(n, official)
    together = np.concatenate([splits.train, splits.validation, splits.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(n))
    assert min(len(splits.validation), len(splits.test)) >= 8
    assert len(splits.train) >= 24


def test_a_source_without_a_test_split_is_shuffled() -> None:
    splits = split(5000)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (4250, 250, 500)
    np.testing.assert_array_equal(splits.train, split(5000).train)
    # Sorted by class as the source is, every class is in every split about equally: 500 items each.
    assert np.bincount(splits.test // 500, minlength=10).min() > 30


def test_an_official_test_split_is_kept() -> None:
    splits = split(70_000, official_test=60_000)
    np.testing.assert_array_equal(splits.test, np.arange(60_000, 70_000))
    np.testing.assert_array_equal(splits.validation, np.arange(55_000, 60_000))


def test_too_few_items() -> None:
    with pytest.raises(DataError, match="there are 39 items; at least 40"):
        split(39)
    with pytest.raises(DataError, match="30 training and 20 test items are too few"):
        split(50, official_test=30)


def test_every_fortieth_item_to_train_on_and_the_others_held_out() -> None:
    splits = split(1000, train_every=40)
    np.testing.assert_array_equal(splits.train, np.arange(0, 1000, 40))
    held_out = np.concatenate([splits.validation, splits.test])
    assert (len(splits.validation), len(splits.test)) == (50, 925)
    np.testing.assert_array_equal(np.sort(np.concatenate([splits.train, held_out])), np.arange(1000))
    kept = split(700, official_test=600, train_every=10)
    np.testing.assert_array_equal(kept.train, np.arange(0, 550, 10))
    np.testing.assert_array_equal(kept.test, np.arange(600, 700))
