"""Takes a WebP file apart (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from model_store.picture_files.metadata import MOST_PARTS, Metadata, PictureFile

_WEBP_PIXELS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # ICC profile, EXIF, XMP


def take_webp_apart(data: bytes) -> PictureFile:
    """Leave out the chunks that hold no pixels (RFC 9649, 2.7.1)."""
    view, pieces, left_out = memoryview(data), [], False
    metadata = Metadata()
    for kind, start, end in _webp_chunks(data):
        if kind in _WEBP_PIXELS or not kind:
            pieces.append(view[start:end])
            continue
        left_out = True
        if kind == b"EXIF":
            metadata.exif = [data[start + 8 : end]]
        elif kind == b"XMP ":
            metadata.xmp = data[start + 8 : end]
    if not left_out:
        return PictureFile(data, metadata.orientation())
    body = bytearray(b"WEBP" + b"".join(pieces))
    if len(body) & 1:  # the padding of the last chunk may be missing
        body.append(0)
    if body[4:8] == b"VP8X" and len(body) > 12:
        body[12] &= ~_WEBP_METADATA_FLAGS
    return PictureFile(b"RIFF" + len(body).to_bytes(4, "little") + bytes(body), metadata.orientation())


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The type, start and end of each chunk, its padding included. What is no whole chunk comes last, without a type,
    if it belongs to the pixels."""
    at, stop = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    for _ in range(MOST_PARTS):
        if stop - at < 8:
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        if end > stop:
            yield b"" if kind in _WEBP_PIXELS else kind, at, stop
            return
        end = min(end + (length & 1), stop)
        yield kind, at, end
        at = end
    raise ValueError("too many chunks")
