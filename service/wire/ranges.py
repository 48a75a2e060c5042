"""Range requests (RFC 9110, section 14): a file of which a part may be asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from os import stat_result
from pathlib import Path

from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from service.errors import RangeNotSatisfiable

_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
_MOST_RANGES = 100
_DIGITS = 18


class RangedFile(FileResponse):
    """A file, or the ranges of it that a request asks for.

    The framework answers a Range header that makes no sense with an error; the RFC wants it ignored.
    """

    def __init__(
        self, path: Path, stat: stat_result, request: Mapping[str, str], *, media_type: str, headers: Mapping[str, str]
    ) -> None:
        """`request` is the request's headers; the answer's `headers` must have an ETag. Raises RangeNotSatisfiable."""
        super().__init__(path, media_type=media_type, headers=headers, stat_result=stat)
        asked, valid_for = request.get("range"), request.get("if-range")
        if valid_for is not None and valid_for not in (headers["ETag"], formatdate(stat.st_mtime, usegmt=True)):
            asked = None
        self._ranges = None if asked is None else satisfiable(asked, stat.st_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        headers = [field for field in scope["headers"] if field[0] not in (b"range", b"if-range")]
        if self._ranges is not None:
            headers.append((b"range", self._ranges.encode()))
        await super().__call__({**scope, "headers": headers}, receive, send)


def satisfiable(header: str, size: int) -> str | None:
    """The ranges of a Range header that a file of `size` bytes has; None where the header is to be ignored.

    It is ignored where its unit is unknown, where it is not well formed, and where it asks for very many ranges.
    Raises RangeNotSatisfiable.
    """
    unit, _, listed = header.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    found: list[str] = []
    specs = [spec for spec in (part.strip(" \t") for part in listed.split(",")) if spec]
    for spec in specs:
        match = _RANGE.fullmatch(spec)
        if match is None or spec == "-":
            return None
        first, last = (_number(digits) for digits in match.groups())
        if first is None:
            first, last = max(0, size - (last or 0)), size - 1
        elif last is None:
            last = size - 1
        elif last < first:
            return None
        if first < size:
            found.append(f"{first}-{min(last, size - 1)}")
    if not specs or len(specs) > _MOST_RANGES:
        return None
    if not found:
        detail = f"the file has {size} bytes; the range asks for none of them"
        raise RangeNotSatisfiable(detail, headers={"Content-Range": f"bytes */{size}"})
    return "bytes=" + ",".join(found)


def _number(digits: str) -> int | None:
    """Digits as a number; one that is longer than any file is cut, for Python refuses to read very long ones."""
    digits = digits.lstrip("0") or digits[:1]
    return (int(digits) if len(digits) <= _DIGITS else 10**_DIGITS) if digits else None
