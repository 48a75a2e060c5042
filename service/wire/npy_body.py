"""Reads npy bodies (NumPy's NEP 1 format): one array of numbers, without copying; Python objects are refused."""

from __future__ import annotations

import io
import math
import tokenize
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import UnreadableBody, WrongDtype
from service.wire.payload import Payload

_ACCEPTED = "float16, float32 or float64, or uint8 for images"


def parse_npy(body: bytes) -> Payload:
    """Read an npy file with one array of float16, float32, float64 or uint8, any memory order and byte order.

    Raises UnreadableBody where the body is no complete npy file, WrongDtype for any other dtype, such as objects.
    """
    try:
        end = _header_end(body)
        shape, fortran, dtype = _read_header(body[:end]) if end <= _LONGEST_KEPT else _header_of(body[:end])
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        raise UnreadableBody("the body is no npy file of format version 1 or 2") from None
    if dtype.hasobject or (not (dtype.kind == "f" and dtype.itemsize <= 8) and dtype != np.uint8):
        raise WrongDtype.at([], f"an npy body may hold {_ACCEPTED}", expected=_ACCEPTED, got=f"dtype {dtype.str}")
    count = math.prod(shape)
    if any(length < 0 for length in shape) or count * dtype.itemsize != len(body) - end:
        raise UnreadableBody(
            f"the npy header announces {count} values of {dtype.itemsize} bytes; {len(body) - end} bytes follow it"
        )
    flat: NDArray[Any] = np.frombuffer(body, dtype=dtype, count=count, offset=end)
    try:
        array = flat.reshape(shape, order="F" if fortran else "C")
    except (ValueError, TypeError, OverflowError):  # more dimensions, or longer ones, than numpy allows
        raise UnreadableBody("the npy header announces a shape that no array has") from None
    return Payload(source="npy", arrays={"npy": array})


def _header_end(body: bytes) -> int:
    """The offset at which the npy header ends. Raises ValueError where the body has no npy header."""
    if body[:6] != b"\x93NUMPY":
        raise ValueError("no npy file")
    size = {(1, 0): 2, (2, 0): 4}[body[6], body[7]] if len(body) > 8 else 0
    return 8 + size + int.from_bytes(body[8 : 8 + size], "little")


def _header_of(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse an npy header, magic included: shape, whether in Fortran order, dtype."""
    stream = io.BytesIO(header)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


_read_header = lru_cache(maxsize=256)(_header_of)
"""`_header_of` with a cache: clients send the same few headers again and again, and numpy takes 25 µs to parse one."""
_LONGEST_KEPT = 1024
