"""Rendering an answer: the same fields as JSON, npy, npz or a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from model_store.arrays import UInt8
from service.wire.pictures import png

_PIECE_ELEMENTS = 1 << 15


@dataclass(frozen=True)
class Looks:
    """How the pictures of an answer are drawn."""

    as_png: bool = False
    scale: int = 1
    fps: float = 12.0


def render_json(fields: Mapping[str, Any], images: UInt8 | None = None, scale: int = 1) -> bytes:
    """The fields as JSON, float32 in its shortest form.

    `images` (n, h, w, c) are base64 PNGs in place of `outputs`, every pixel repeated `scale` times each way.
    """
    if images is not None:
        encoded = [base64.b64encode(png(image, scale)).decode() for image in images]
        fields = {("images" if name == "outputs" else name): value for name, value in fields.items()}
        fields["images"] = encoded
    if sum(map(_elements, fields.values())) <= _PIECE_ELEMENTS:
        return orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join(_json(fields))


def render_npy(array: NDArray[Any]) -> bytes:
    """One array as npy."""
    if array.dtype.hasobject:
        raise ValueError("an npy answer holds numbers")
    return _npy_header(array.shape, array.dtype.str) + array.tobytes()


@lru_cache(maxsize=256)
def _npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """The beginning of an npy file in C order: format version 1.0 of NumPy's NEP 1."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def render_npz(fields: Mapping[str, Any]) -> bytes:
    """Every field as an uncompressed npz; parts of an object are called `metrics.mse` and so on, nulls are left out."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(_flat(fields)))
    return buffer.getvalue()


def _elements(value: Any) -> int:  # noqa: ANN401 - a field of any kind
    if isinstance(value, np.ndarray):
        return value.size if value.flags.c_contiguous else _PIECE_ELEMENTS + 1
    return sum(map(_elements, value.values())) if isinstance(value, dict) else 0


def _json(fields: Mapping[str, Any]) -> Iterator[bytes]:
    """An object in pieces: no one call holds the interpreter's lock for long, so that others are answered meanwhile."""
    separator = b"{"
    for name, value in fields.items():
        yield separator + orjson.dumps(name) + b":"
        if isinstance(value, dict):
            yield from _json(value)
        elif isinstance(value, np.ndarray):
            yield from _json_array(value)
        else:
            yield orjson.dumps(value)
        separator = b","
    yield b"}" if fields else b"{}"


def _json_array(array: NDArray[Any]) -> Iterator[bytes]:
    rows = max(1, _PIECE_ELEMENTS * len(array) // max(1, array.size))
    separator = b"["
    for start in range(0, len(array), rows):
        piece = np.ascontiguousarray(array[start : start + rows])
        yield separator + orjson.dumps(piece, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        separator = b","
    yield b"]" if len(array) else b"[]"


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield prefix + name, np.asarray(value)
