"""Batch sizes: which there are, and that no answer shows which was used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.buckets import BucketedProgram, bucket_sizes
from service.engines.base import Arrays

Float32 = NDArray[np.float32]


class Doubling:
    """A program of its own: y = 2 x, and it writes down every batch size it is given."""

    input_names = frozenset({"x"})
    output_names = frozenset({"y"})

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def infer(self, inputs: Arrays) -> dict[str, Float32]:
        self.sizes.append(len(inputs["x"]))
        return {"y": 2 * inputs["x"]}


@pytest.mark.parametrize(
    ("max_items", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (4, (1, 2, 4)),
        (5, (1, 2, 4, 5)),
        (64, (1, 2, 4, 8, 16, 32, 64)),
        (100, (1, 2, 4, 8, 16, 32, 64, 100)),
    ],
)
def test_powers_of_two_up_to_the_largest(max_items: int, sizes: tuple[int, ...]) -> None:
    assert bucket_sizes(max_items) == sizes


@given(max_items=st.integers(1, 70), n=st.integers(1, 200))
def test_every_row_is_answered_in_order_and_only_warmed_sizes_are_run(max_items: int, n: int) -> None:
    program = Doubling()
    bucketed = BucketedProgram(program, max_items)
    bucketed.warm({"x": np.zeros((1, 1), np.float32)})
    warmed = set(program.sizes)
    assert warmed == set(bucket_sizes(max_items))
    x = np.arange(n, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(bucketed.infer({"x": x})["y"], 2 * x)
    assert set(program.sizes) == warmed


@pytest.mark.parametrize(("n", "calls"), [(1, [1]), (3, [4]), (4, [4]), (9, [4, 4, 1]), (11, [4, 4, 4])])
def test_larger_batches_are_split_and_smaller_ones_padded(n: int, calls: list[int]) -> None:
    program = Doubling()
    BucketedProgram(program, 4).infer({"x": np.ones((n, 2), np.float32)})
    assert program.sizes == calls
