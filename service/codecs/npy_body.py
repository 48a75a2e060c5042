"""npy bodies (NumPy's NEP 1 format): one array, read without copying, and never an object."""

from __future__ import annotations

import io
import math
import tokenize
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.codecs.payload import Payload
from service.errors import UnreadableBody, WrongDtype

_ACCEPTED = "float16, float32 or float64, or uint8 for images"


def parse_npy(body: bytes) -> Payload:
    """Read one array of float16, float32, float64 or uint8, in C or Fortran order and either byte order.

    Raises UnreadableBody for what is no complete npy file, WrongDtype for any other dtype, objects above all.
    """
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read_header(stream)
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        raise UnreadableBody("the body is no npy file of format version 1 or 2") from None
    if dtype.hasobject or (not (dtype.kind == "f" and dtype.itemsize <= 8) and dtype != np.uint8):
        raise WrongDtype.at([], f"an npy body may hold {_ACCEPTED}", expected=_ACCEPTED, got=f"dtype {dtype.str}")
    offset = stream.tell()
    count = math.prod(shape)
    if any(length < 0 for length in shape) or count * dtype.itemsize != len(body) - offset:
        raise UnreadableBody(
            f"the npy header announces {count} values of {dtype.itemsize} bytes; {len(body) - offset} bytes follow it"
        )
    flat: NDArray[Any] = np.frombuffer(body, dtype=dtype, count=count, offset=offset)
    try:
        array = flat.reshape(shape, order="F" if fortran else "C")
    except (ValueError, TypeError, OverflowError):  # more dimensions, or longer ones, than any array has
        raise UnreadableBody("the npy header announces a shape that no array has") from None
    return Payload(source="npy", arrays={"npy": array})
