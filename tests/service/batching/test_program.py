"""Batch sizes: the list of sizes, and that answers do not depend on the size of a call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store.arrays import Float32
from service.batching.program import BucketedProgram, Piece, bucket_sizes
from service.engines.base import Arrays, BoundCall

EXAMPLE = {"x": np.zeros((1, 2), np.float32)}


class Doubling:
    """A program of its own: y = 2 x, and it writes down every batch size it is given. Its answers are one memory."""

    input_names = frozenset({"x"})
    output_names = frozenset({"y"})
    gains_by_batch = False

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._memory = np.empty((1000, 2), np.float32)

    def infer(self, inputs: Arrays) -> dict[str, Float32]:
        self.sizes.append(len(inputs["x"]))
        return {"y": np.multiply(2, inputs["x"], out=self._memory[: len(inputs["x"])])}

    def bind(self, inputs: Arrays) -> BoundCall:
        return BoundCall(("y",), lambda: self.infer(inputs))


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


def test_the_largest_size_may_have_a_program_of_its_own() -> None:
    for_any, for_largest = Doubling(), Doubling()
    bucketed = BucketedProgram(for_any, EXAMPLE, 8)
    bucketed.call_largest(for_largest)
    rows = np.arange(22, dtype=np.float32).reshape(11, 2)
    np.testing.assert_array_equal(bucketed.infer({"x": rows})["y"], 2 * rows)
    assert (for_any.sizes, for_largest.sizes) == ([4], [8])


@given(max_items=st.integers(1, 70), n=st.integers(1, 200))
def test_every_row_is_answered_in_order_and_only_warmed_sizes_are_run(max_items: int, n: int) -> None:
    program = Doubling()
    bucketed = BucketedProgram(program, EXAMPLE, max_items)
    assert bucketed.warm().sizes == bucket_sizes(max_items)
    warmed = set(program.sizes)
    assert warmed == set(bucket_sizes(max_items))
    x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    np.testing.assert_array_equal(bucketed.infer({"x": x})["y"], 2 * x)
    assert set(program.sizes) == warmed


@pytest.mark.parametrize(("n", "calls"), [(1, [1]), (3, [4]), (4, [4]), (9, [4, 4, 1]), (11, [4, 4, 4])])
def test_larger_batches_are_split_and_smaller_ones_padded(n: int, calls: list[int]) -> None:
    program = Doubling()
    BucketedProgram(program, EXAMPLE, 4).infer({"x": np.ones((n, 2), np.float32)})
    assert program.sizes == calls


def test_pieces_of_several_callers_are_one_call_and_answers_are_the_callers_own() -> None:
    program = Doubling()
    bucketed = BucketedProgram(program, EXAMPLE, 8)
    one, two = (np.arange(10, dtype=np.float32).reshape(5, 2) for _ in range(2))
    answer = bucketed.run([Piece({"x": one}, 1, 3), Piece({"x": two}, 0, 1), Piece({"x": one}, 4, 5)])["y"]
    kept = answer.copy()
    np.testing.assert_array_equal(answer, [[4, 6], [8, 10], [0, 2], [16, 18]])
    assert program.sizes == [4]
    bucketed.infer({"x": np.full((8, 2), 7, np.float32)})
    np.testing.assert_array_equal(answer, kept)


def test_an_engine_that_loses_rows_is_an_error() -> None:
    class Losing(Doubling):
        def infer(self, inputs: Arrays) -> dict[str, Float32]:
            return {"y": inputs["x"][:-1]}

    with pytest.raises(RuntimeError, match="answered 3 rows of y to the 4"):
        BucketedProgram(Losing(), EXAMPLE, 4).infer({"x": np.ones((3, 2), np.float32)})
