"""Renders an answer's fields as JSON, npy, npz, a picture, or an animation."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import UInt8
from service.limits import Check, go_on
from service.wire.json_arrays import write_json
from service.wire.negotiation import GIF, JSON, NPY, NPZ, WEBP
from service.wire.pictures import Sheet, moving, near_square, png, sheet


@dataclass(frozen=True)
class Looks:
    """Drawing options for the pictures of an answer."""

    as_png: bool = False
    scale: int = 1
    fps: float = 12.0


class Renderable(Protocol):
    """An answer that can be rendered."""

    model: str
    """NAME@VERSION."""
    fields: dict[str, Any]
    main: str
    """The name of the field that an npy reply holds."""
    images: Callable[[], UInt8] | None
    """Draws one picture for each item, (n, h, w, c); None where the model has no pictures."""
    sheet: Callable[[UInt8], Sheet] | None
    """Lays out the contact sheet of all images; None for a near-square sheet."""

    def all_fields(self) -> dict[str, Any]:
        """All fields of the JSON reply, in order."""


MOVING = (GIF, WEBP)


def render(answer: Renderable, media_type: str, looks: Looks, check: Check = go_on) -> bytes:
    """Render an answer as bytes of a media type. Raises RuntimeError for a picture of an answer without images.

    `check` is called between two pieces of the work, and may stop it by an error.
    """
    check()
    if media_type == NPY:
        return render_npy(answer.fields[answer.main])
    if media_type == JSON:
        images = answer.images() if looks.as_png and answer.images is not None else None
        return render_json({"model": answer.model, **answer.all_fields()}, images, looks.scale, check)
    if media_type == NPZ:
        return render_npz(answer.all_fields())
    if answer.images is None:
        raise RuntimeError("a picture was negotiated for an answer that has none")
    images = answer.images()
    if media_type in MOVING:
        return moving(images, media_type, looks.fps, looks.scale, check)
    whole = answer.sheet(images) if answer.sheet is not None else Sheet(images, near_square(len(images)))
    return png(sheet(whole.images, whole.columns), looks.scale)


def render_json(fields: Mapping[str, Any], images: UInt8 | None = None, scale: int = 1, check: Check = go_on) -> bytes:
    """Render fields as JSON, float32 in its shortest form.

    `images` (n, h, w, c) replace `outputs` as base64 PNGs, every pixel repeated `scale` times in both directions.
    """
    if images is not None:
        encoded = []
        for image in images:
            check()
            encoded.append(base64.b64encode(png(image, scale)).decode())
        fields = {("images" if name == "outputs" else name): value for name, value in fields.items()}
        fields["images"] = encoded
    return write_json(fields, check)


def render_npy(array: NDArray[Any]) -> bytes:
    """Render one array as an npy file."""
    if array.dtype.hasobject:
        raise ValueError("an npy answer holds numbers")
    return _npy_header(array.shape, array.dtype.str) + array.tobytes()


@lru_cache(maxsize=256)
def _npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """The header of an npy file in C order: format version 1.0 of NumPy's NEP 1."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def render_npz(fields: Mapping[str, Any]) -> bytes:
    """Render fields as an uncompressed npz file; parts of an object are named `metrics.mse` etc., nulls left out."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(_flat(fields)))
    return buffer.getvalue()


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield prefix + name, np.asarray(value)
