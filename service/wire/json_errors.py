"""Says in words why bytes are no JSON. Called when a parser has refused them, so it may look at them again."""

from __future__ import annotations

import math
import re

import orjson

from model_store.text_encodings import other_encoding

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_WORD = re.compile(r"-?(?:NaN|Infinity|nan|inf|Inf|undefined|None|True|False)\b")
_SHOWN = 40


def why_not_json(body: bytes, error: orjson.JSONDecodeError) -> str:
    """One clause: `it breaks at line 1, column 8`, and the reason where it is known."""
    encoding = other_encoding(body)
    if encoding is not None:
        return f"it is {encoding}, and JSON is UTF-8 (RFC 8259, 8.1)"
    try:
        body.decode()
    except UnicodeDecodeError as undecodable:
        return f"it is not UTF-8, which JSON is (RFC 8259, 8.1): byte {undecodable.start} does not fit"
    place = f"it breaks at line {error.lineno}, column {error.colno}"
    reason = _reason(error)
    return f"{place}: {reason}" if reason else place


def _reason(error: orjson.JSONDecodeError) -> str:
    text, at = error.doc, error.pos
    if "depth" in error.msg:
        return "it is nested too deep"
    number = _NUMBER.match(text, at)
    if number is not None and math.isinf(float(number[0])):
        return f"the number {_short(number[0])} is too large for a float64"
    word = _WORD.match(text, at) or _WORD.match(text, at - 1)  # the sign may have been read already
    if word is not None:
        return (
            f"{word[0]} is not JSON"
            if word[0].lstrip("-") not in ("NaN", "Infinity")
            else "NaN and Infinity are not JSON"
        )
    if "surrogate" in error.msg or _SURROGATE.match(text, max(0, at - 6)):
        return "half of a surrogate pair is no character"
    return ""


def _short(number: str) -> str:
    if len(number) <= _SHOWN:
        return number
    return f"{number[: _SHOWN // 2]}… ({len(number)} characters)"
