"""Byte order marks of text files: UTF-8's is passed over, another encoding is called by its name."""

from __future__ import annotations

import codecs
from pathlib import Path

UTF8_MARK = codecs.BOM_UTF8
_OTHER_MARKS = (  # the longer one first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def other_encoding(begin: bytes) -> str | None:
    """The encoding of a text that begins with these bytes, if it is UTF-16 or UTF-32; else None.

    Texts in JSON and CSV begin with an ASCII character: without a mark, zero bytes among the first four show it.
    """
    for mark, name in _OTHER_MARKS:
        if begin.startswith(mark):
            return name
    return "UTF-16 or UTF-32" if b"\0" in begin[:4] else None


def other_encoding_of(path: Path) -> str | None:
    """`other_encoding` of a file. Raises OSError."""
    with path.open("rb") as file:
        return other_encoding(file.read(4))
