"""Reads the common JSON body, one regular array, without making a Python object for each number; writes JSON.

simdjson parses the body and returns its numbers as a flat array, but not their shape, nor whether the array is regular.
Both follow from the body's skeleton: the body without digits, signs and blanks. A regular array of two rows of three
numbers has the skeleton `[[,,],[,,]]`, and no other valid JSON has this skeleton.
"""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

from service.limits import Check, go_on
from service.wire.payload import Payload

ARRAY_FIELDS = ("inputs", "z")
_OPENINGS = {name: b'{"%s":[' % name.encode() for name in ARRAY_FIELDS}
_FLESH = b"0123456789+-.eE \n\r\t"
_MAX_RANK = 8
_KEPT_BYTES = 1 << 20
"""A parser keeps memory for the largest body that it has read; a body over this size gets a parser of its own."""

_LARGE_BYTES = 1 << 15
"""For bodies from this size on, counting commas with numpy is faster than making the skeleton."""
_MAX_COUNTED = 256
_OPEN, _CLOSE, _COMMA = b"[],"

_PIECE_ELEMENTS = 1 << 15
_PIECE_BYTES = 1 << 18
_AFTER_KEY = re.compile(rb"[ \n\r\t]*:[ \n\r\t]*\[")
_NOT_IN_NUMBERS = np.ones(256, bool)
_NOT_IN_NUMBERS[np.frombuffer(_FLESH + b"[],", np.uint8)] = False


class _Kept(threading.local):
    """A parser that is used again and again: one for each thread, since it cannot be used by two at a time."""

    def __init__(self) -> None:
        self.parser = simdjson.Parser()


_kept = _Kept()


def parse_only_array(body: bytes) -> Payload | None:
    """Read a body with one regular array and nothing else; None for any other body, valid or not."""
    for name in ARRAY_FIELDS:
        array = only_array(body, name)
        if array is not None:
            return Payload(source="json", arrays={name: array})
    return None


def only_array(body: bytes, name: str) -> NDArray[np.float64] | None:
    """Read the array of a body `{"name": [[…], …]}` as float64; None for any other body, valid or not."""
    opening = _OPENINGS[name]
    flat: NDArray[np.float64] | None = None
    if len(body) >= _LARGE_BYTES and body.startswith(opening) and body.endswith(b"]}"):
        flat = _numbers(body, name)
        if flat is None:
            return None
        shape = _shape_by_brackets(np.frombuffer(body, np.uint8)[len(opening) - 1 : -1], flat.size)
        if shape is not None:
            return flat.reshape(shape)
    skeleton = body.translate(None, _FLESH)
    if not (skeleton.startswith(opening) and skeleton.endswith(b"]}")):
        return None
    if flat is None:
        flat = _numbers(body, name)
    outline = skeleton[len(opening) - 1 : -1]
    shape = _kept_shape_of(outline) if len(outline) <= _KEPT_OUTLINE_BYTES else _shape_of(outline)
    # `[]` is the outline of an empty array and of an array of one number: only the count of numbers tells them apart.
    return flat.reshape(shape) if flat is not None and shape is not None and math.prod(shape) == flat.size else None


def cut_arrays(body: bytes) -> tuple[bytes, dict[str, NDArray[np.float64]]]:
    """Cut the regular arrays of numbers out of a large JSON object.

    Returns the object with null in their places, and the arrays.
    The caller checks that the nulls stand where the arrays belong: the text may be part of a nested object.
    """
    arrays: dict[str, NDArray[np.float64]] = {}
    for name in ARRAY_FIELDS:
        key = b'"%s"' % name.encode()
        found = _AFTER_KEY.match(body, body.find(key) + len(key)) if body.count(key) == 1 else None
        if found is None:
            continue
        start = found.end() - 1
        stop = body.rfind(b"]", start, _end_of_numbers(body, start)) + 1
        array = only_array(b'{"%s":%b}' % (name.encode(), body[start:stop]), name) if stop else None
        if array is not None:
            arrays[name] = array
            body = body[:start] + b"null" + body[stop:]
    return body, arrays


def _end_of_numbers(body: bytes, start: int) -> int:
    """The place of the first byte from `start` on that no array of numbers has.

    Looks at one piece at a time: no call holds the interpreter's lock for long.
    """
    text = np.frombuffer(body, np.uint8)
    for begin in range(start, len(text), _PIECE_BYTES):
        others = _NOT_IN_NUMBERS[text[begin : begin + _PIECE_BYTES]]
        at = int(others.argmax())
        if others[at]:
            return begin + at
    return len(text)


def _parser_for(body: bytes) -> simdjson.Parser:
    return _kept.parser if len(body) <= _KEPT_BYTES else simdjson.Parser()


def _numbers(body: bytes, name: str) -> NDArray[np.float64] | None:
    """All numbers below `name` as a flat array; None where the body is no JSON, or has other values there."""
    parser = _parser_for(body)
    document: Any = None
    array: Any = None
    try:
        document = parser.parse(body)
        array = document[name]
        return np.frombuffer(array.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, KeyError, RuntimeError):
        return None
    finally:
        del array, document  # the parser cannot be used again while objects of its last document exist


def repeated_name(body: bytes, names: int) -> str | None:
    """A name that the object in a body has twice; None where it has only `names` of them, so that none is repeated.

    The parser that makes Python objects keeps the last of two values, and says nothing.
    """
    parser = _parser_for(body)
    document: Any = None
    try:
        document = parser.parse(body)
        if len(document) == names:
            return None
        return next((name for name, count in Counter(document).items() if count > 1), None)
    except (ValueError, TypeError, RuntimeError):
        return None
    finally:
        del document


def _shape_by_brackets(text: NDArray[np.uint8], numbers: int) -> tuple[int, ...] | None:
    """The shape of a JSON array with this count of numbers, found in a quarter of the time that a skeleton takes.

    Looks only at brackets, and at the number of commas between them. None where the skeleton is needed.
    """
    places = np.flatnonzero(text >= _OPEN)  # brackets, and the e of exponents
    marks = text[places]
    if marks.max() > _CLOSE:
        places = places[marks <= _CLOSE]
        marks = text[places]
    kept = len(marks) <= _KEPT_OUTLINE_BYTES
    rows, begins, separates = (_kept_layout_of if kept else _layout_of)(marks.tobytes())
    if rows is None:
        return None
    length, rest = divmod(numbers, math.prod(rows))
    if rest or not 1 < length <= _MAX_COUNTED:
        return None
    # Counts are modulo 256: a row with 256 numbers too many would change the count of all numbers.
    commas = np.add.reduceat((text == _COMMA).view(np.uint8), places, dtype=np.uint8)
    return (*rows, length) if np.array_equal(commas, begins * np.uint8(length - 1) + separates) else None


def _layout_of(brackets: bytes) -> tuple[tuple[int, ...] | None, NDArray[np.uint8], NDArray[np.uint8]]:
    """The shape without its last axis; and for each bracket, 1 where it begins a row, and 1 where a comma follows it.

    The shape is None where the brackets are not those of a regular array.
    """
    shape = _shape_of(brackets.replace(b"][", b"],["))  # as if one number were in each
    marks = np.frombuffer(brackets, np.uint8)
    closes = np.append(marks[1:] == _CLOSE, False)
    begins = ((marks == _OPEN) & closes).view(np.uint8)
    separates = ((marks == _CLOSE) & ~closes).view(np.uint8)
    separates[-1] = 0
    return None if shape is None or shape[-1] != 1 else shape[:-1], begins, separates


def _shape_of(outline: bytes) -> tuple[int, ...] | None:
    """The shape of a regular array with these brackets and commas; None where the array is not regular."""
    rank = len(outline) - len(outline.lstrip(b"["))
    if rank > _MAX_RANK:
        return None
    counts: list[int] = []
    unit = b""
    for level in range(1, rank + 1):
        end = len(outline) if level == rank else outline.find(b"]" * level) + level
        length = end - (rank - level)
        count, rest = divmod(length - 1, len(unit) + 1)
        if rest or count < 1:
            return None
        unit = b"[" + b",".join([unit] * count) + b"]"
        counts.append(count)
    return tuple(reversed(counts)) if unit == outline else None


_kept_shape_of = lru_cache(maxsize=256)(_shape_of)
_KEPT_OUTLINE_BYTES = 1 << 12
"""Longer outlines are not cached. Clients send the same few shapes again and again."""
_kept_layout_of = lru_cache(maxsize=256)(_layout_of)


def write_json(fields: Mapping[str, Any], check: Check = go_on) -> bytes:
    """Write an object of numbers, text, arrays, nulls and objects as JSON; float32 in its shortest form.

    `check` is called between two pieces of a large object, and may stop the writing by an error.
    """
    if sum(map(_elements, fields.values())) <= _PIECE_ELEMENTS:
        return orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    pieces = []
    for piece in _json(fields):
        check()
        pieces.append(piece)
    return b"".join(pieces)


def _elements(value: Any) -> int:  # noqa: ANN401 - a field of any kind
    if isinstance(value, np.ndarray):
        return value.size if value.flags.c_contiguous else _PIECE_ELEMENTS + 1
    return sum(map(_elements, value.values())) if isinstance(value, dict) else 0


def _json(fields: Mapping[str, Any]) -> Iterator[bytes]:
    """Write an object in pieces, so that no call holds the interpreter's lock for long and blocks the event loop."""
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
