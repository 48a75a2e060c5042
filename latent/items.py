"""Reading the named files into what the client sends: pictures as bytes, everything else as one array."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from latent.datasets import FILES, Chunk, Wanted, is_dataset, open_dataset, whole
from latent.errors import CommandError
from model_store.errors import InputError
from model_store.preprocess import TRAINING_FORMATS, read_image
from model_store.text_encodings import UTF8_MARK, other_encoding

Array = NDArray[Any]

_READ = (*FILES, ".json")


@dataclass(frozen=True)
class Items:
    """Items of all files, in order, with their labels."""

    inputs: Array | list[bytes]
    """One array of all rows, or the bytes of PNG, JPEG or WebP files."""
    labels: list[str] | None
    """The class of each, where the files say."""


def read_items(paths: Sequence[Path], wanted: Wanted) -> Items:
    """Read items for the encoder, or codes for the decoder. Raises CommandError that names the file."""
    parts = [(path, _part(path, wanted)) for path in paths]
    pictures = [path for path, part in parts if isinstance(part.items, list)]
    if pictures and len(pictures) < len(parts):
        other = next(path for path, part in parts if not isinstance(part.items, list))
        raise CommandError(f"{pictures[0]} is a picture and {other} is none: give one kind at a time")
    labels = [label for _, part in parts for label in part.labels or ()]
    known = labels if len(labels) == sum(len(part) for _, part in parts) else None
    if pictures:
        listed = [path for _, part in parts if isinstance(part.items, list) for path in part.items]
        return Items([_picture(path) for path in listed], known)
    return Items(_joined([(path, part.items) for path, part in parts if isinstance(part.items, np.ndarray)]), known)


def read_codes(paths: Sequence[Path], wanted: Wanted) -> Items:
    """Read codes (n, d) for the decoder. Raises CommandError that names the file."""
    for path in paths:
        if path.suffix.lower() not in _READ:
            raise CommandError(f"{path}: codes are read from {', '.join(_READ)}")
    return read_items(paths, wanted)


def _part(path: Path, wanted: Wanted) -> Chunk:
    if is_dataset(path):
        return whole(open_dataset(path, wanted))
    if wanted.label is not None:
        raise CommandError(f"--label-column names a column of a table, but {path} is none")
    if path.suffix.lower() == ".json":
        return Chunk(0, _read_json(path, wanted.arrays))
    return Chunk(0, [path])


def _joined(parts: Sequence[tuple[Path, Array]]) -> Array:
    first = parts[0][1]
    for path, array in parts[1:]:
        if array.shape[1:] != first.shape[1:] or array.dtype != first.dtype:
            raise CommandError(
                f"{path} holds {array.dtype} {array.shape}, {parts[0][0]} {first.dtype} {first.shape}: they do not fit"
            )
    return first if len(parts) == 1 else np.concatenate([array for _, array in parts])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error


def _picture(path: Path) -> bytes:
    """Read a picture file unchanged, or converted to PNG if the service does not take its format."""
    data = _content(path)
    try:
        image = read_image(data, formats=TRAINING_FORMATS)
    except InputError as error:
        raise CommandError(f"{path}: {error} (expected {error.expected})") from error
    if any(data.startswith(magic) for magic in (b"\x89PNG", b"\xff\xd8\xff")) or data[8:12] == b"WEBP":
        return data
    buffer = io.BytesIO()
    (image if image.mode in ("1", "L", "LA", "RGB", "RGBA", "I;16") else image.convert("RGBA")).save(buffer, "PNG")
    return buffer.getvalue()


def _read_json(path: Path, names: Sequence[str]) -> Array:
    content = _content(path).removeprefix(UTF8_MARK)
    encoding = other_encoding(content)
    if encoding is not None:
        raise CommandError(f"{path} is {encoding}; expected UTF-8: save it as that")
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{path} is not JSON ({error})") from error
    if isinstance(document, dict):
        found = [name for name in names if name in document]
        if not found:
            raise CommandError(f"{path} has no {' or '.join(names)}")
        document = document[found[0]]
    try:
        array = np.array(document, np.float64)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{path} holds no even array of numbers") from error
    if array.ndim == 0 or not len(array):
        raise CommandError(f"{path} holds no items")
    return array
