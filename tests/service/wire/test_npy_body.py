"""npy bodies: every array type that is read, and every refusal."""

from __future__ import annotations

import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.errors import UnreadableBody, WrongDtype
from service.wire.npy_body import parse_npy

VALUES = np.arange(24).reshape(2, 3, 4)


def npy(array: NDArray[np.generic], version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def with_header(header: str, data: bytes = b"") -> bytes:
    """An npy file of version 1 whose header says anything."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_floats_and_bytes_in_either_order(dtype: str, order: str, version: tuple[int, int]) -> None:
    array = np.array(VALUES, dtype=dtype, order="F" if order == "F" else "C")
    read = parse_npy(npy(array, version)).arrays["npy"]
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, VALUES)


@pytest.mark.parametrize("shape", [(), (1,), (0, 2), (5, 0), (1, 1, 1, 1, 1)])
def test_every_shape_is_read_as_it_is(shape: tuple[int, ...]) -> None:
    assert parse_npy(npy(np.zeros(shape, np.float32))).arrays["npy"].shape == shape


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros(2, np.int64), id="int64"),
        pytest.param(np.zeros(2, np.int8), id="int8"),
        pytest.param(np.zeros(2, np.uint16), id="uint16"),
        pytest.param(np.zeros(2, np.bool_), id="bool"),
        pytest.param(np.zeros(2, np.complex64), id="complex"),
        pytest.param(np.zeros(2, np.longdouble), id="longdouble"),
        pytest.param(np.zeros(2, "U3"), id="text"),
        pytest.param(np.zeros(2, "S3"), id="bytes"),
        pytest.param(np.zeros(2, "M8[s]"), id="times"),
        pytest.param(np.zeros(2, [("x", "f4")]), id="records"),
        pytest.param(np.array([None, "x"], object), id="objects"),
    ],
)
def test_any_other_dtype_is_refused(array: NDArray[np.generic]) -> None:
    with pytest.raises(WrongDtype):
        parse_npy(npy(array))


class Bomb:
    """Would end the process if it were ever unpickled."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        import os

        return os._exit, (1,)


def test_an_object_array_is_never_unpickled() -> None:
    with pytest.raises(WrongDtype):
        parse_npy(npy(np.array([Bomb()], object)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x93NUMPY", id="magic alone"),
        pytest.param(npy(np.zeros(3))[:9], id="cut in the header's length"),
        pytest.param(npy(np.zeros(3))[:40], id="cut in the header"),
        pytest.param(npy(np.zeros(3))[:-1], id="cut in the data"),
        pytest.param(npy(np.zeros(3)) + b"\0", id="a byte too many"),
        pytest.param(npy(np.zeros(3)).replace(b"\x01\x00", b"\x09\x00", 1), id="unknown version"),
        pytest.param(npy(np.zeros(3), (3, 0)), id="version 3, which is for names outside of latin-1"),
        pytest.param(pickle.dumps([1.0]), id="a pickle"),
        pytest.param(pickle.dumps(Bomb()), id="a pickle that would run"),
        pytest.param(b"PK\x03\x04" + bytes(40), id="npz"),
        pytest.param(b'{"z": [[1]]}', id="JSON"),
        pytest.param(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (10**12,)}"), id="a shape in code"),
        pytest.param(
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", bytes(16)), id="4 TB"
        ),
        pytest.param(
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", bytes(16)),
            id="a count that overflows",
        ),
        pytest.param(
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}", bytes(4)), id="negative lengths"
        ),
        pytest.param(
            with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': (0, {10**30})}}"), id="nothing, but wide"
        ),
        pytest.param(
            with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(1,) * 100}}}", bytes(4)), id="rank 100"
        ),
        pytest.param(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}", bytes(4)), id="a bool"),
        pytest.param(with_header("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", bytes(4)), id="order no bool"),
        pytest.param(with_header("{'descr': '<f4', 'shape': (1,)}", bytes(4)), id="a key missing"),
        pytest.param(with_header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,)}"), id="no such dtype"),
        pytest.param(with_header("(" * 5000), id="a header that nests"),
        pytest.param(with_header("\xff\xfe"), id="a header that is no text"),
        pytest.param(with_header("__import__('os')._exit(1)"), id="a header that is code"),
    ],
)
def test_what_is_no_complete_npy_file_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        parse_npy(body)


@given(st.binary(max_size=300))
def test_any_bytes_after_the_magic_are_an_array_or_a_refusal(tail: bytes) -> None:
    for body in (tail, b"\x93NUMPY\x01\x00" + tail):
        try:
            assert parse_npy(body).arrays["npy"].nbytes <= len(body)
        except (UnreadableBody, WrongDtype) as refused:
            assert refused.status in (400, 422)  # noqa: PT017 - either may be right for random bytes
