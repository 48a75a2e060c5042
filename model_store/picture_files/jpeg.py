"""Takes a JPEG file apart (ITU-T T.81)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model_store.picture_files.metadata import MOST_PARTS, Metadata, PictureFile

SIGNATURE = b"\xff\xd8\xff"
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a frame header (SOF), which has the size."""
_SCAN, _END = 0xDA, 0xD9
_COMMENT, _TEMPORARY = 0xFE, 0x01
_NO_FILL = re.compile(rb"[^\xff]")
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"


def take_jpeg_apart(data: bytes) -> PictureFile:
    """Leave out comments and application segments, but those of JFIF and Adobe, which say what the colours are."""
    view, pieces = memoryview(data), [memoryview(data[:2])]
    metadata, at, left_out = Metadata(), 2, False
    for marker, start, end in segments(data):
        left_out |= start != at  # between two segments are bytes that decoders skip
        at = end
        content = data[start + 4 : end] if 0xE0 <= marker <= 0xEF else b""
        if marker == 0xE1 and content.startswith(b"Exif\0\0"):
            metadata.exif.append(content[6:])
        elif marker == 0xE1 and content.startswith(_XMP_HEADER):
            metadata.xmp = content
        if _decides_colours(marker, content) or not (0xE0 <= marker <= 0xEF or marker in (_COMMENT, _TEMPORARY)):
            pieces.append(view[start:end])
        else:
            left_out = True
    return PictureFile(b"".join(pieces) if left_out else data, metadata.orientation())


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker, start and end of each segment before the pixels; then all that follows, as one with its marker.

    As libjpeg reads them: bytes between two segments are skipped, and a length under two is taken for two.
    """
    at = 2
    for _ in range(MOST_PARTS):
        start = data.find(b"\xff", at)
        after = _NO_FILL.search(data, start) if start >= 0 else None
        if after is None:
            yield 0, at, len(data)
            return
        at = after.start()
        marker, start = data[at], at - 1
        if marker == 0:  # a 255 among bytes that are skipped
            at += 1
            continue
        if 0xD0 <= marker <= 0xD8 or marker == _TEMPORARY:
            end = at + 1
        else:
            end = at + 1 + max(2, int.from_bytes(data[at + 1 : at + 3], "big"))
        if marker in (_SCAN, _END) or end > len(data):
            yield marker, start, len(data)
            return
        yield marker, start, end
        at = end
    raise ValueError("too many segments")


def _decides_colours(marker: int, content: bytes) -> bool:
    """Whether libjpeg reads an application segment: JFIF's, or Adobe's, if it is long enough."""
    return (marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14) or (
        marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12
    )
