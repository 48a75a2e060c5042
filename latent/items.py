"""Files that a person names -> what the client sends: pictures as bytes, everything else as one array."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from latent.errors import CommandError
from model_store.errors import InputError
from model_store.manifest import Manifest, VectorInput
from model_store.preprocess import TRAINING_FORMATS, read_image

Array = NDArray[Any]

_ITEM_NAMES = ("x", "inputs", "outputs")
_CODE_NAMES = ("z", "z_mean")


def read_items(paths: Sequence[Path], manifest: Callable[[], Manifest]) -> Array | list[bytes]:
    """Items for the encoder: bytes of PNG, JPEG or WebP files, or one array of all rows, in order.

    `manifest` is asked only for a CSV, whose columns it names. Raises CommandError that names the file.
    """
    pictures = [path for path in paths if path.suffix.lower() not in _READERS]
    if not pictures:
        return _joined([(path, _read_array(path, _ITEM_NAMES, lambda: _columns(manifest()))) for path in paths])
    if len(pictures) < len(paths):
        other = next(path for path in paths if path not in pictures)
        raise CommandError(f"{pictures[0]} is a picture and {other} is none: give one kind at a time")
    return [_picture(path) for path in pictures]


def read_codes(paths: Sequence[Path]) -> Array:
    """Codes (n, d) for the decoder, from .npy, .npz, .csv or .json. Raises CommandError that names the file."""
    for path in paths:
        if path.suffix.lower() not in _READERS:
            raise CommandError(f"{path}: codes are read from {', '.join(_READERS)}")
    return _joined([(path, _read_array(path, _CODE_NAMES, lambda: None)) for path in paths])


def _columns(manifest: Manifest) -> list[str] | None:
    """Names that the columns of a CSV must have, in the model's order; None where any will do."""
    spec = manifest.input
    if not isinstance(spec, VectorInput):
        raise CommandError(f"{manifest.name} takes {spec.kind}s: a CSV holds vectors")
    return list(spec.preprocess.columns) if spec.preprocess is not None and spec.preprocess.columns else None


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
    """The file as it is; of a kind that the service does not take, the same picture as PNG."""
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


def _read_array(path: Path, names: Sequence[str], columns: Callable[[], list[str] | None]) -> Array:
    array = _READERS[path.suffix.lower()](path, names, columns)
    if array.ndim == 0 or not len(array):
        raise CommandError(f"{path} holds no items")
    return array


def _read_npy(path: Path, _names: Sequence[str], _columns: Callable[[], list[str] | None]) -> Array:
    loaded = _load(path)
    if isinstance(loaded, np.ndarray):
        return loaded
    raise CommandError(f"{path} is no .npy array")


def _read_npz(path: Path, names: Sequence[str], _columns: Callable[[], list[str] | None]) -> Array:
    loaded = _load(path)
    if isinstance(loaded, np.ndarray):
        raise CommandError(f"{path} is no .npz archive")
    for name in names:
        if name in loaded:
            return loaded[name]
    if len(loaded) == 1:
        return next(iter(loaded.values()))
    raise CommandError(f"{path} has {', '.join(loaded) or 'no arrays'}, but none called {' or '.join(names)}")


def _load(path: Path) -> Array | dict[str, Array]:
    try:
        loaded = np.load(io.BytesIO(_content(path)), allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except CommandError:
        raise
    except Exception as error:  # numpy and zipfile have many errors for bytes that are none of theirs
        raise CommandError(f"{path} cannot be read as arrays ({error})") from error


def _read_json(path: Path, names: Sequence[str], _columns: Callable[[], list[str] | None]) -> Array:
    try:
        document = orjson.loads(_content(path))
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{path} is not JSON ({error})") from error
    if isinstance(document, dict):
        found = [name for name in names if name in document]
        if not found:
            raise CommandError(f"{path} has no {' or '.join(names)}")
        document = document[found[0]]
    try:
        return np.array(document, np.float64)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{path} holds no even array of numbers") from error


def _read_csv(path: Path, _names: Sequence[str], columns: Callable[[], list[str] | None]) -> Array:
    """Rows of numbers under a header, or without one. Columns are matched by name, wherever names are known."""
    try:
        text = _content(path).decode("utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read as CSV ({error})") from error
    if not rows:
        raise CommandError(f"{path} is empty")
    headless = all(_is_number(cell) for cell in rows[0][1])
    header = [str(at) for at in range(len(rows[0][1]))] if headless else rows[0][1]
    wanted = columns()
    if wanted is None or (headless and len(header) == len(wanted)):
        wanted = header
    if missing := [name for name in wanted if name not in header]:
        raise CommandError(f"{path} lacks the column {missing[0]!r} (the model's are {', '.join(wanted)})")
    positions = [header.index(name) for name in wanted]
    body = rows if headless else rows[1:]
    return np.array(
        [[_cell(path, line, cells, at, header) for at in positions] for line, cells in body], np.float64
    ).reshape(len(body), len(positions))


def _cell(path: Path, line: int, cells: Sequence[str], at: int, header: Sequence[str]) -> float:
    if len(cells) != len(header):
        raise CommandError(f"{path}, row {line}: {len(cells)} cells; expected {len(header)}, as in the first row")
    if _is_number(cells[at]) and math.isfinite(number := float(cells[at])):
        return number
    got = repr(cells[at]) if cells[at] else "an empty cell"
    raise CommandError(f"{path}, row {line}, column {header[at]!r}: expected a finite number, got {got}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


_READERS = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv, ".json": _read_json}
