"""The fast parser of JSON bodies: reads regular arrays exactly, and leaves all other bodies to the other parser."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes

from service.errors import ServiceError
from service.wire.json_arrays import only_array
from service.wire.json_body import numbers

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    FINITE | st.integers() | st.booleans() | st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=20,
)


LARGE = "of 40 kB"
SIZES = pytest.mark.parametrize("size", ["small", LARGE])


def of_size(size: str, body: str) -> bytes:
    """The body, or one that means the same and is so large that its brackets are looked at instead of its skeleton."""
    return (body.replace('{"z": [', '{"z":[' + " " * 40_000, 1) if size == LARGE else body).encode()


@SIZES
@given(
    array=shapes.arrays(np.float64, shapes.array_shapes(min_dims=1, max_dims=5, max_side=4), elements=FINITE),
    indent=st.sampled_from([None, 0, 3]),
)
def test_a_regular_array_arrives_as_it_was_sent(size: str, array: np.ndarray, indent: int | None) -> None:
    body = of_size(size, json.dumps({"z": array.tolist()}, indent=indent))
    read = only_array(body, "z")
    assert read is not None
    assert read.shape == array.shape
    np.testing.assert_array_equal(read, array)
    assert only_array(body, "inputs") is None


@SIZES
@given(value=JSON)
def test_whatever_is_read_is_what_the_careful_way_reads(size: str, value: object) -> None:
    read = only_array(of_size(size, json.dumps({"z": value})), "z")
    try:
        careful = numbers(value, "z")
    except (ServiceError, OverflowError):
        assert read is None
    else:
        if read is not None:
            assert read.shape == careful.shape
            np.testing.assert_array_equal(read, careful.astype(np.float64))


@SIZES
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param('{"z": [[1, 2], [3]]}', id="short row"),
        pytest.param('{"z": [[1, 2, 3], [4]]}', id="rows that make up for each other"),
        pytest.param('{"z": [[[1], 2], [3, 4]]}', id="a number in brackets"),
        pytest.param('{"z": [[1, 2], [], [3, 4]]}', id="an empty row"),
        pytest.param('{"z": [[], [1, 2], [3]]}', id="an empty first row"),
        pytest.param('{"z": [[], [1]]}', id="an empty row among single ones"),
        pytest.param('{"z": []}', id="no rows"),
        pytest.param('{"z": [[]]}', id="a row of nothing"),
        pytest.param('{"z": [[1, 2,]]}', id="trailing comma"),
        pytest.param('{"z": [[1, -]]}', id="a lone sign"),
        pytest.param('{"z": [[1 2]]}', id="a comma too few"),
        pytest.param('{"z": [[1e999, 2]]}', id="too large"),
        pytest.param('{"z": [[1, true]]}', id="a boolean"),
        pytest.param('{"z": [[1, null]]}', id="null"),
        pytest.param('{"z": [["1", 2]]}', id="text"),
        pytest.param('{"z": [[1, 2]], "seed": 1}', id="an option"),
        pytest.param('{"z": [[1, 2]]}]}', id="text after it"),
        pytest.param('{"z1": [[1, 2]]}', id="another name"),
        pytest.param('{"z ": [[1, 2]]}', id="a name with a blank"),
        pytest.param('{"z": ' + "[" * 9 + "1" + "]" * 9 + "}", id="nine levels"),
        pytest.param('{"z": 5}', id="a number"),
        pytest.param('{"z": [[1], 2, [3, 4]]}', id="a number between rows"),
        pytest.param('{"z": [1, [2, 3]]}', id="a number before a row"),
        pytest.param('{"z": [[2, 3], 1]}', id="a number after a row"),
        pytest.param('{"z": [[1, 2], [3, 4]], "a": [5]}', id="another array after it"),
        pytest.param(json.dumps({"z": [[1] * 2, [1] * 258]}), id="rows that differ by 256"),
        pytest.param(json.dumps({"z": [[1] * 130, [1], *[[1] * 2] * 257]}), id="rows whose sum is that of equal ones"),
    ],
)
def test_everything_else_is_left_alone(size: str, body: str) -> None:
    assert only_array(of_size(size, body), "z") is None


@pytest.mark.parametrize("shape", [(64, 28, 28), (3, 2, 5000), (2, 256), (2, 257), (5000, 1), (9000,)])
def test_a_large_array_arrives_as_it_was_sent(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(scale=1e-6, size=shape)
    read = only_array(of_size(LARGE, json.dumps({"z": array.tolist()})), "z")
    assert read is not None
    np.testing.assert_array_equal(read, array)


def test_bodies_of_every_size_one_after_the_other() -> None:
    for n in (1, 40_000, 2, 200_000, 3):
        array = np.arange(2.0 * n).reshape(n, 2) / math.pi
        read = only_array(json.dumps({"z": array.tolist()}).encode(), "z")
        assert read is not None
        np.testing.assert_array_equal(read, array)
