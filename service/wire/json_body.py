"""Reads JSON bodies: each array becomes a numpy array with one conversion; only a bad array is walked for its error.

A body with one regular array and nothing else is read even faster (`json_arrays.py`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from model_store.text_encodings import UTF8_MARK
from service.errors import (
    InvalidValue,
    NotFinite,
    ServiceError,
    UnreadableBody,
    UnreadableImage,
    WrongDtype,
    WrongShape,
)
from service.wire.json_arrays import ARRAY_FIELDS, parse_only_array, repeated_name
from service.wire.json_errors import why_not_json
from service.wire.payload import Payload

_MAX_RANK = 8
_LARGEST_FLOAT = int(np.finfo(np.float64).max)


def parse_json(body: bytes) -> Payload:
    """Read a JSON body by the quickest way that can: one regular array alone, or any object. Raises as the latter."""
    return parse_only_array(body) or parse_object(body)


def parse_object(body: bytes) -> Payload:
    """Read a JSON object: `inputs` and `z` as arrays, `images` as bytes, the rest as options.

    A byte order mark is passed over (RFC 8259, 8.1). Raises UnreadableBody for what is no JSON (NaN and Infinity are
    none), InvalidValue for a name that is given twice, WrongShape for ragged rows, WrongDtype for anything but numbers
    in an array.
    """
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
    plain = _has_plain_arrays(body, document)
    arrays = {
        name: numbers(document[name], name, plain=plain) for name in ARRAY_FIELDS if document.get(name) is not None
    }
    images = document.get("images")
    return Payload(
        source="json",
        arrays=arrays,
        images=None if images is None else _images(images),
        options={name: value for name, value in document.items() if name not in (*ARRAY_FIELDS, "images")},
    )


def _has_plain_arrays(body: bytes, document: Mapping[str, Any]) -> bool:
    """Whether no array of a body can hold text or a boolean: the body has no quotes for it, and no word."""
    texts = len(document) + sum(isinstance(value, str) for value in document.values())
    return body.count(b'"') == 2 * texts and b"true" not in body and b"false" not in body


def numbers(value: Any, name: str, *, plain: bool = False) -> NDArray[Any]:  # noqa: ANN401 - any JSON
    """Convert a nested list of numbers to an array. Raises WrongShape or WrongDtype with the first bad place.

    `plain` says that it holds no text and no boolean. numpy would read true as 1.0, and would give each text as much
    memory as the longest one takes.
    """
    if not isinstance(value, list):
        raise WrongShape.at([name], f"{name} must be an array", expected="nested arrays", got=describe(value))
    shape = _shape_of_first(value)
    array = None
    if len(shape) <= _MAX_RANK and (plain or _types_at(value, len(shape)) <= {int, float}):
        try:
            array = np.array(value)
        except (ValueError, OverflowError):
            array = None
    if array is None or array.dtype.kind not in "iuf":
        if len(shape) > _MAX_RANK:
            raise WrongShape.at(
                [name], f"{name} is nested too deep", expected=f"at most {_MAX_RANK} levels", got="more"
            )
        _walk(value, shape, [name])
        array = np.array(value, dtype=np.float64)
    return array


def _types_at(value: list[Any], rank: int) -> set[type]:
    """The types of all elements `rank` levels down; `list` where there are fewer levels somewhere."""
    level: Iterable[Any] = value
    for depth in range(1, rank):
        if set(map(type, level)) != {list}:
            return {list}
        level = chain.from_iterable(level)
        if depth < rank - 1:
            level = list(level)
    return set(map(type, level))


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
        return base64.b64decode("".join(value.split()), validate=True)  # lines of 76 are base64's own habit
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
