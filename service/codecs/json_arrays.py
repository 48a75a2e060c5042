"""The common JSON body, one regular array and nothing else, read without a Python object a number.

simdjson parses, and lays the numbers out flat whatever their nesting. What it does not say is the shape, or whether
there is one: that is read off the body's skeleton, which is what is left of it without digits, signs and blanks. A
regular array of two rows of three has the skeleton `[[,,],[,,]]`, and in a body that is JSON throughout no other has.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

_FLESH = b"0123456789+-.eE \n\r\t"
_MAX_RANK = 8
_KEPT_BYTES = 1 << 20
"""A parser keeps memory for the largest body it has seen; for larger ones than this a new one is made."""

_kept = simdjson.Parser()


def only_array(body: bytes, name: str) -> NDArray[np.float64] | None:
    """The array of `{"name": [[…], …]}`, float64; None for any other body, right or wrong.

    Called from one thread at a time for bodies up to a megabyte.
    """
    skeleton = body.translate(None, _FLESH)
    opening = b'{"%s":[' % name.encode()
    if not (skeleton.startswith(opening) and skeleton.endswith(b"]}")):
        return None
    parser = _kept if len(body) <= _KEPT_BYTES else simdjson.Parser()
    document: Any = None
    array: Any = None
    try:
        document = parser.parse(body)
        array = document[name]
        flat: NDArray[np.float64] = np.frombuffer(array.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, KeyError, RuntimeError):
        return None
    finally:
        del array, document  # the parser is not used again while anything of its last document lives
    outline = skeleton[len(opening) - 1 : -1]
    shape = _kept_shape_of(outline) if len(outline) <= _KEPT_OUTLINE_BYTES else _shape_of(outline)
    # `[]` is the outline of no number and of one: only their count tells.
    return flat.reshape(shape) if shape is not None and math.prod(shape) == flat.size else None


def _shape_of(outline: bytes) -> tuple[int, ...] | None:
    """The shape whose brackets and commas these are; None where they are no regular array's."""
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
"""Clients send the same few shapes again and again."""
