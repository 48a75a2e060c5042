"""Reads JSON bodies: each array becomes a numpy array with one conversion; only a bad array is walked for its error.

A body with one regular array and nothing else is read even faster (`json_arrays.py`).
"""

from __future__ import annotations

import binascii
import itertools
import math
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from model_store.text_encodings import UTF8_MARK
from service.errors import (
    InvalidValue,
    NotFinite,
    ServiceError,
    TooManyItems,
    UnreadableBody,
    UnreadableImage,
    WrongDtype,
    WrongShape,
)
from service.wire.json_arrays import ARRAY_FIELDS, cut_arrays, parse_only_array, repeated_name
from service.wire.json_errors import why_not_json
from service.wire.payload import Payload

LARGE_BODY_BYTES = 1 << 20
_MAX_OBJECTS = 1 << 20
"""Values of a large body that may become Python objects: they take a tenth of a second and 50 MB."""
_PEEK_BYTES = 64
_MAX_RANK = 8
_LARGEST_FLOAT = int(np.finfo(np.float64).max)


def parse_json(body: bytes, max_numbers: float = math.inf) -> Payload:
    """Read a JSON body by the quickest way that can: one regular array alone, or any object. Raises as the latter, and
    TooManyItems where the body holds more than `max_numbers` numbers."""
    if len(body) > LARGE_BODY_BYTES:
        return _parse_large(body, max_numbers)
    return parse_only_array(body) or parse_object(body)


def parse_object(body: bytes) -> Payload:
    """Read a JSON object: `inputs` and `z` as arrays, `images` as bytes, the rest as options.

    A byte order mark is passed over (RFC 8259, 8.1). Raises UnreadableBody for what is no JSON (NaN and Infinity are
    none), InvalidValue for a name that is given twice, WrongShape for ragged rows, WrongDtype for anything but numbers
    in an array.
    """
    document = _object(body)
    return _payload(
        document, {name: numbers(document[name], name) for name in ARRAY_FIELDS if document.get(name) is not None}
    )


def _parse_large(body: bytes, max_numbers: float) -> Payload:
    """Read a large body without a Python object for each number: these take ten times the room of the text, and the
    interpreter's lock is held while they are made."""
    count = body.count(b",") + 1
    if count > max_numbers:
        name = "z" if b'"z"' in body[:_PEEK_BYTES] else "inputs"
        raise TooManyItems.at(
            [name],
            "the body holds more numbers than the most items of this model have",
            expected=f"at most {max_numbers:.0f} numbers",
            got=f"{count} numbers, or other values",
        )
    payload = parse_only_array(body)
    if payload is not None:
        return payload
    rest, arrays = cut_arrays(body)
    if not arrays and count > _MAX_OBJECTS:
        raise WrongShape.at(
            [], "a large body must hold regular arrays of numbers", expected="nested arrays", got="ragged rows, or text"
        )
    try:
        document = _object(rest)
    except ServiceError:
        return parse_object(body)  # which names the place in the whole body
    if not all(name in document and document[name] is None for name in arrays):  # cut out of a nested object
        return parse_object(body)
    others = {name: numbers(document[name], name) for name in ARRAY_FIELDS if document.get(name) is not None}
    return _payload(document, arrays | others)


def _object(body: bytes) -> dict[str, Any]:
    body = body.removeprefix(UTF8_MARK)
    if not body or body.isspace():
        raise UnreadableBody("the body is empty; a JSON object was expected")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableBody("the body is no JSON: " + why_not_json(body, error)) from None
    if not isinstance(document, dict):
        raise InvalidValue.at([], "the body must be a JSON object", expected="an object", got=describe(document))
    if twice := repeated_name(body, len(document)):
        raise InvalidValue.at([twice], f"{twice} is given twice", expected="one value", got="two values or more")
    return document


def _payload(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Payload:
    images = document.get("images")
    return Payload(
        source="json",
        arrays=arrays,
        images=None if images is None else _images(images),
        options={name: value for name, value in document.items() if name not in (*ARRAY_FIELDS, "images")},
    )


def numbers(value: Any, name: str) -> NDArray[np.float64]:  # noqa: ANN401 - any JSON
    """Convert a nested list of numbers to an array.

    Raises WrongShape, WrongDtype or NotFinite with the first bad place.

    numpy is given a flat list of numbers alone: it would read true as 1, and text as an array as wide as the longest.
    """
    if not isinstance(value, list):
        raise WrongShape.at([name], f"{name} must be an array", expected="nested arrays", got=describe(value))
    flat, shape = value, [len(value)]
    while (kinds := set(map(type, flat))) == {list} and len(set(map(len, flat))) == 1:
        if len(shape) == _MAX_RANK:
            raise WrongShape.at(
                [name], f"{name} is nested too deep", expected=f"at most {_MAX_RANK} levels", got="more"
            )
        shape.append(len(flat[0]))
        flat = list(itertools.chain.from_iterable(flat))
    if kinds <= {int, float}:
        with suppress(OverflowError):
            return np.array(flat, np.float64).reshape(shape)
    _walk(value, _shape_of_first(value), [name])
    raise WrongDtype.at([name], f"{name} cannot be read", expected="nested arrays of numbers", got=describe(value))


def _shape_of_first(value: Any) -> list[int]:  # noqa: ANN401
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _walk(value: Any, shape: list[int], loc: list[str | int]) -> None:  # noqa: ANN401
    """Raise an error for the first element that does not fit the shape of the first elements."""
    if not shape:
        if isinstance(value, list):
            raise _ragged(loc, "a number", value)
        if isinstance(value, int) and abs(value) > _LARGEST_FLOAT:
            raise NotFinite.at(loc, f"{loc[0]} holds a number that is too large", expected="a float32", got="more")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongDtype.at(
                loc, f"{loc[0]} holds something that is no number", expected="a number", got=describe(value)
            )
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        raise _ragged(loc, f"an array of {shape[0]}", value)
    for index, item in enumerate(value):
        _walk(item, shape[1:], [*loc, index])


def _ragged(loc: list[str | int], expected: str, value: Any) -> ServiceError:  # noqa: ANN401
    detail = f"{loc[0]} is ragged: its parts do not have one shape"
    return WrongShape.at(loc, detail, expected=expected, got=describe(value))


def _images(value: Any) -> list[bytes]:  # noqa: ANN401
    if not isinstance(value, list):
        raise InvalidValue.at(["images"], "images must be a list", expected="a list of base64", got=describe(value))
    return [_image(item, index) for index, item in enumerate(value)]


def _image(value: Any, index: int) -> bytes:  # noqa: ANN401
    loc: list[str | int] = ["images", index]
    if not isinstance(value, str):
        raise InvalidValue.at(loc, "an image must be base64 text", expected="base64 text", got=describe(value))
    if value[:5].lower() == "data:":
        header, comma, value = value.partition(",")
        if not comma or not header.endswith(";base64"):
            raise UnreadableImage.at(
                loc, "the data: address holds no base64", expected="data:…;base64,…", got=header[:60]
            )
    try:
        text = value.encode("ascii").translate(None, b" \t\r\n")  # lines of 76 are base64's own habit
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise UnreadableImage.at(
            loc, "an image is no base64", expected="base64 of PNG, JPEG or WebP", got=f"{len(value)} characters"
        ) from None


def describe(value: Any) -> str:  # noqa: ANN401
    """Describe a JSON value for an error message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "…"
