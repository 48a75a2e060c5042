"""Takes a PNG file apart (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from model_store.picture_files.metadata import METADATA_BYTES, MOST_PARTS, Metadata, PictureFile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_READ = (b"tRNS", b"eXIf", *_TEXTS)
_EXIF_TEXT, _EXIF_PROFILE, _XMP_TEXT = b"exif", b"Raw profile type exif", b"XML:com.adobe.xmp"


def take_png_apart(data: bytes) -> PictureFile:
    """Leave out the ancillary chunks, whose names begin with a small letter, but a sound tRNS.

    ISO/IEC 15948, 5.4: a decoder may ignore them. libpng does so where their CRC is wrong.
    """
    view, pieces, left_out = memoryview(data), [memoryview(SIGNATURE)], False
    metadata, profile, has_pixels = Metadata(), b"", False
    for kind, start, end in _png_chunks(data):
        has_pixels |= kind == b"IDAT"
        if not kind[:1].islower() or (end > len(data) and not has_pixels):
            pieces.append(view[start:end])
            continue
        sound = kind in _READ and zlib.crc32(view[start + 4 : end - 4]) == int.from_bytes(view[end - 4 : end], "big")
        content = data[start + 8 : end - 4] if sound else b""
        if sound and kind == b"tRNS":
            transparency = _transparency(content, depth=data[24], colours=data[25])
            left_out |= transparency != content
            if transparency:
                pieces.append(memoryview(_png_chunk(kind, transparency)))
            continue
        left_out = True
        if sound and kind == b"eXIf":
            metadata.exif = [content]
        elif sound and kind in _TEXTS:
            name, text = _png_text(kind, content)
            if name == _EXIF_TEXT:
                metadata.exif = [text]
            elif name == _EXIF_PROFILE:
                profile = _from_hexadecimal(text)
            elif name == _XMP_TEXT:
                metadata.xmp = text
    if not metadata.exif:
        metadata.exif = [profile]
    return PictureFile(b"".join(pieces) if left_out else data, metadata.orientation())


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The type, start and end of each chunk up to IEND. What follows, or is no chunk, comes last and has no type.

    The end of a chunk that is cut short lies behind the data.
    """
    at = len(SIGNATURE)
    for _ in range(MOST_PARTS):
        if len(data) - at < 8:
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        if not kind.isalpha():
            break
        yield kind, at, at + 12 + length
        at += 12 + length
        if kind == b"IEND":
            break
    else:
        raise ValueError("too many chunks")
    yield b"", at, len(data)


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _transparency(content: bytes, *, depth: int, colours: int) -> bytes:
    """The content of a tRNS chunk for the samples that Pillow decodes; empty where the chunk has no meaning.

    Grey of two and four bits becomes eight bits; colours of 16 bits lose their lower eight. Bits above the depth are
    ignored (ISO/IEC 15948, 11.3.2.1). Pillow compares the samples with the number in the chunk as it is.
    """
    if colours == 3:
        return content[:256]
    samples = {0: 1, 2: 3}.get(colours, 0)
    if not samples or len(content) < 2 * samples or depth > 16:
        return b""
    values = [value & (1 << depth) - 1 for value in struct.unpack_from(f">{samples}H", content)]
    if depth == 16 and samples == 3:
        values = [value >> 8 for value in values]
    elif depth in (2, 4):
        values = [value * 255 // ((1 << depth) - 1) for value in values]
    return struct.pack(f">{samples}H", *values)


def _png_text(kind: bytes, content: bytes) -> tuple[bytes, bytes]:
    """The keyword of a text chunk, and its text if the keyword is one that matters; up to METADATA_BYTES of it."""
    name, _, text = content[: METADATA_BYTES + 256].partition(b"\0")
    if name not in (_EXIF_TEXT, _EXIF_PROFILE, _XMP_TEXT):
        return name, b""
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]  # behind the language and the translated keyword
    elif compressed:
        text = text[1:]
    if compressed:
        try:
            text = zlib.decompressobj().decompress(text, METADATA_BYTES)
        except zlib.error:
            text = b""
    return name, text


def _from_hexadecimal(text: bytes) -> bytes:
    """The EXIF block in a text of ImageMagick: after three lines, hexadecimal digits. Empty where it has others."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""
