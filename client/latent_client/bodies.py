"""Request bodies from arrays, images and values. Pure, except that named files are read."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, cast

import numpy as np
import numpy.typing as npt

from latent_client.errors import UnusableInput

ImageSource: TypeAlias = str | bytes | os.PathLike[str]
"""An image: its path, or the bytes of a PNG, JPEG or WebP file. The path of a .npy file is an array."""

Inputs: TypeAlias = npt.ArrayLike | ImageSource | Sequence[ImageSource]
"""A batch: an array (n, …) or nested lists of numbers, one image, or many."""

_NPY_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True, slots=True)
class ArrayBody:
    """One array, (n, …), sent as .npy: float16/32/64, or uint8 for the 0…255 of pictures."""

    array: npt.NDArray[Any]

    def sizes(self) -> list[int]:
        """Bytes of each item."""
        return [self.array[:1].nbytes] * len(self.array)

    def cut(self, items: slice) -> ArrayBody:
        """Return only the items of a slice."""
        return ArrayBody(self.array[items])

    def npy(self) -> bytes:
        """Return the array as a .npy file (format of numpy.lib.format), never pickled."""
        buffer = io.BytesIO()
        np.save(buffer, self.array, allow_pickle=False)
        return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class ImageBody:
    """Image files, sent unchanged: one under its own media type, several as multipart/form-data."""

    images: tuple[bytes, ...]

    def sizes(self) -> list[int]:
        """Bytes of each item."""
        return [len(image) for image in self.images]

    def cut(self, items: slice) -> ImageBody:
        """Return only the items of a slice."""
        return ImageBody(self.images[items])

    def media_types(self) -> list[str]:
        """Type of each image, by its first bytes."""
        return [_media_type(image) or "application/octet-stream" for image in self.images]


@dataclass(frozen=True, slots=True)
class JsonBody:
    """Named values, sent as one JSON object together with the options."""

    fields: dict[str, object]


Body: TypeAlias = ArrayBody | ImageBody | JsonBody


def body_of(inputs: Inputs) -> ArrayBody | ImageBody:
    """Make the body for a batch of arrays or images, and read the files that it names.

    Raises UnusableInput for anything that is neither, OSError for a path that can't be read.
    """
    if _is_source(inputs):
        content = _content(inputs)
        if content.startswith(_NPY_MAGIC):
            return ArrayBody(array_of(_npy_array(content)))
        return ImageBody((_image(content, inputs),))
    if isinstance(inputs, Sequence) and len(inputs) > 0 and _is_source(inputs[0]):
        sources = cast("Sequence[ImageSource]", inputs)
        return ImageBody(tuple(_image(_content(source), source) for source in sources))
    return ArrayBody(array_of(cast("npt.ArrayLike", inputs)))


def array_of(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return `values` as an array that .npy can carry to the server.

    Float16/32/64 and uint8 arrays stay as they are; everything else becomes float64, as numbers in JSON
    would be. Raises UnusableInput for ragged lists, for what is no number, and for a single number.
    """
    try:
        array = np.asarray(values)
        if array.dtype != np.uint8 and array.dtype.char not in "efd":
            array = array.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise UnusableInput(f"not an array of numbers: {error}") from error
    if array.ndim == 0:
        raise UnusableInput("a single number is no batch: expected an array (n, …)")
    return array


def spans(sizes: Sequence[int], *, max_items: int, max_bytes: int) -> list[slice]:
    """Cut items of these sizes (bytes) into consecutive runs within both bounds; a large item is a run of its own."""
    runs: list[slice] = []
    start, held_bytes = 0, 0
    for at, size in enumerate(sizes):
        if at > start and (at - start == max_items or held_bytes + size > max_bytes):
            runs.append(slice(start, at))
            start, held_bytes = at, 0
        held_bytes += size
    return [*runs, slice(start, len(sizes))]


def _is_source(value: object) -> TypeGuard[ImageSource]:
    return isinstance(value, str | bytes | os.PathLike)


def _content(source: ImageSource) -> bytes:
    return source if isinstance(source, bytes) else Path(source).read_bytes()


def _npy_array(content: bytes) -> npt.NDArray[Any]:
    try:
        return cast("npt.NDArray[Any]", np.load(io.BytesIO(content), allow_pickle=False))
    except (EOFError, ValueError) as error:
        raise UnusableInput(f"not a .npy file of numbers: {error}") from error


def _image(content: bytes, source: ImageSource) -> bytes:
    if _media_type(content) is None:
        name = "these bytes are" if isinstance(source, bytes) else f"{os.fspath(source)} is"
        raise UnusableInput(f"{name} no PNG, JPEG or WebP image")
    return content


def _media_type(content: bytes) -> str | None:
    """Tell the media type by the first bytes: PNG (RFC 2083, 12.11), JPEG (ITU T.81, B.1.1.3), WebP (RFC 9649)."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None
