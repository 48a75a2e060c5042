"""Reads bodies with image files: a single file, or a multipart form with many."""

from __future__ import annotations

import re

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from service.errors import (
    BodyTooLarge,
    InvalidValue,
    ServiceError,
    TooManyItems,
    UnknownOption,
    UnreadableBody,
    UnsupportedMediaType,
)
from service.wire.payload import Payload

_LONGEST_BOUNDARY = 256
_MOST_HEADERS = 32
_MOST_OTHER_PARTS = 100
"""Parts that hold nothing to read, such as `_charset_`."""
_BINARY_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")


def _pattern(name: bytes) -> re.Pattern[bytes]:
    return re.compile(
        rb";[ \t]*" + name + rb"[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^;]*))", re.IGNORECASE | re.DOTALL
    )


_BOUNDARY, _NAME = _pattern(b"boundary"), _pattern(b"name")
_FILENAME = re.compile(rb";[ \t]*filename(?:\*[0-9]*\*?)?[ \t]*=", re.IGNORECASE)
"""Also as RFC 2231 has it, `filename*=`; the filename itself does not matter."""


def _parameter(pattern: re.Pattern[bytes], header: bytes) -> bytes | None:
    """A parameter of a header, without its quotes; None where it has none.

    A header may be as long as the body, so it is not taken apart into all its parameters.
    """
    match = pattern.search(header)
    if match is None:
        return None
    quoted: bytes | None = match[1]
    return match[2].strip() if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL)


def parse_image(body: bytes) -> Payload:
    """Read a body that is one image file; the image is not decoded yet."""
    if not body:
        raise UnreadableBody("the body is empty; an image was expected")
    return Payload(source="files", images=[body])


def parse_multipart(body: bytes, content_type: bytes, max_items: int) -> Payload:
    """Read the image files of a multipart form (RFC 7578), in order; field names do not matter.

    A part is a file if it has a filename, or an image's Content-Type. Raises UnreadableBody, TooManyItems, BodyTooLarge
    for too many other parts, UnknownOption for a part that is no file, InvalidValue where there is no file.
    """
    boundary = _boundary(content_type)
    form = _Form(max_items)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": form.part_begins,
            "on_header_field": form.header_name,
            "on_header_value": form.header_value,
            "on_headers_finished": form.headers_end,
            "on_part_data": form.data,
            "on_part_end": form.part_ends,
            "on_end": form.ends,
        },
        max_header_count=_MOST_HEADERS,
        max_header_size=len(body),
    )
    begin = _begin(body, boundary)
    try:
        parser.write(body[begin:] if begin else body)
    except FormParserError:
        raise UnreadableBody("the form cannot be read: a part's headers are damaged, or more than 32") from None
    if not form.whole:
        raise UnreadableBody("the form cannot be read: its closing boundary is missing, it was cut short")
    if not form.images:
        raise InvalidValue.at(["files"], "the form has no files", expected="at least one image file", got="none")
    return Payload(source="files", images=form.images)


def _boundary(content_type: bytes) -> bytes:
    """The boundary of a form's Content-Type. Raises UnreadableBody where it has none."""
    boundary = _parameter(_BOUNDARY, content_type) or b""
    if not boundary:
        raise UnreadableBody("the form cannot be read: its boundary is missing")
    if len(boundary) > _LONGEST_BOUNDARY:
        raise UnreadableBody(f"the form cannot be read: its boundary is longer than {_LONGEST_BOUNDARY} characters")
    return boundary


def _begin(body: bytes, boundary: bytes) -> int:
    """Where a form's first boundary stands: a preamble may come before it, which the parser does not take.

    Raises UnreadableBody where there is none.
    """
    if body.startswith(b"--" + boundary):
        return 0
    place = body.find(b"\r\n--" + boundary)
    if place < 0:
        raise UnreadableBody("the form cannot be read: the boundary of its Content-Type does not stand in it")
    return place + 2


class _Form:
    """Collects the files of a form. The parser calls its methods in the order of the body."""

    def __init__(self, max_items: int) -> None:
        self.images: list[bytes] = []
        self.whole = False
        """Whether the closing boundary has come."""
        self._max_items = max_items
        self._others = 0
        self._name = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] | None = None

    def part_begins(self) -> None:
        self._headers.clear()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name = data[start:end].lower()

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._headers[self._name] = data[start:end]

    def headers_end(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind = self._headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        name = (_parameter(_NAME, disposition) or b"").decode("utf-8", "replace")
        is_file = kind.startswith(b"image/") or kind == b"application/octet-stream"
        if is_file or _FILENAME.search(disposition) is not None:
            self._begin_file(name)
        elif name == "_charset_":  # says in what the texts of a form are encoded (RFC 7578, 4.6)
            self._others += 1
            if self._others > _MOST_OTHER_PARTS:
                raise BodyTooLarge(f"the form has more than {_MOST_OTHER_PARTS} parts that are no files")
            self._pieces = None
        else:
            raise _no_file(name)

    def _begin_file(self, name: str) -> None:
        encoding = self._headers.get(b"content-transfer-encoding", b"").strip().lower()
        if encoding not in _BINARY_ENCODINGS:
            got = encoding[:60].decode("latin-1")
            raise UnsupportedMediaType(
                f"the part {name[:60]!r} has Content-Transfer-Encoding {got!r}: send files as they are (binary)"
            )
        if len(self.images) == self._max_items:
            raise TooManyItems(f"the form has more than {self._max_items} files")
        self._pieces = []

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._pieces is not None:
            self._pieces.append(data[start:end])

    def part_ends(self) -> None:
        if self._pieces is not None:
            self.images.append(b"".join(self._pieces))

    def ends(self) -> None:
        self.whole = True


def _no_file(name: str) -> ServiceError:
    """The error of a part that is text."""
    short = name[:60] + ("…" if len(name) > 60 else "")
    return UnknownOption.at(
        [short],
        f"a form holds image files: the part {short!r} has neither a filename nor an image's Content-Type; options go"
        " into the query",
        expected="a file",
        got="text",
    )
