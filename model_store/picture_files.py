"""Takes a picture file apart: what its pixels need, its size, its orientation, and what kind of file it is.

A PNG, JPEG or WebP file holds more than pixels: EXIF, XMP, colour profiles, text, previews. Pillow reads all of it when
it opens the file, and refuses the file where one of these parts is odd or large. Viewers show such a picture. So Pillow
gets the file without them, and the orientation is read here. What is left out costs nothing, whatever it says.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_PARTS = 100_000
"""Chunks of a PNG or WebP file, or segments of a JPEG file. A picture of 2²⁷ pixels has some 20,000."""
_METADATA_BYTES = 1 << 20
"""So much of a text or of an XMP packet is looked at: the orientation stands near its beginning."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture file without what its pixels do not need."""

    pixels: bytes
    """The same file, or a shorter one with the same pixels."""
    orientation: int | None
    """EXIF's orientation: 1 is upright, 2 to 8 are to be turned. None for a kind of file that is not taken apart."""


def take_apart(data: bytes) -> PictureFile:
    """Leave out of a PNG, JPEG or WebP file what its pixels do not need. Other files come back as they are.

    Raises ValueError for a file of too many parts. What is damaged is left as it is, for the decoder to refuse.
    """
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_JPEG):
        return _jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return PictureFile(data, None)


def announced_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a PNG, JPEG or WebP file; None for other bytes.

    Pillow allocates two whole canvases when it opens a WebP file, and reads a JPEG's metadata.
    PNG: ISO/IEC 15948, 11.2.2. JPEG: ITU-T T.81, B.2.2. WebP: RFC 9649, 2.5 to 2.7.
    """
    if data.startswith(_PNG) and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(_JPEG):
        for marker, start, end in _segments(data):
            if marker in _FRAMES and end - start >= 9:
                return int.from_bytes(data[start + 7 : start + 9], "big"), int.from_bytes(
                    data[start + 5 : start + 7], "big"
                )
        return None
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


# -- metadata ----------------------------------------------------------------------------------------------

_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_TAG_ORIENTATION = 0x0112
_INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}
"""TIFF's types of integers, as `struct` has them: SHORT, LONG, SSHORT, SLONG, IFD."""


@dataclass(slots=True)
class _Metadata:
    """The parts of a file that may have its orientation."""

    exif: list[bytes] = field(default_factory=list)
    xmp: bytes = b""

    def orientation(self) -> int:
        """EXIF's orientation; where EXIF has none, that of XMP; else 1."""
        found = _exif_orientation(b"".join(self.exif))
        if found is None:
            match = _XMP_ORIENTATION.search(self.xmp, 0, _METADATA_BYTES)
            found = int(match[1]) if match else 1
        return found if 1 <= found <= 8 else 1


def _exif_orientation(block: bytes) -> int | None:
    """The orientation in an EXIF block; None where it has none that can be read.

    Looks at the first directory alone, entry by entry: whatever else the block says does not matter.
    """
    block = block.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")  # some programs write it twice
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return None
    number, at = struct.unpack_from(f"{order}HI", block, 2)
    if number != 42 or at + 2 > len(block):
        return None
    (count,) = struct.unpack_from(f"{order}H", block, at)
    whole = min(count, (len(block) - at - 2) // 12)
    for tag, kind, length, value in struct.iter_unpack(f"{order}HHI4s", block[at + 2 : at + 2 + 12 * whole]):
        if tag == _TAG_ORIENTATION and length == 1 and kind in _INTEGERS:
            return int(struct.unpack_from(f"{order}{_INTEGERS[kind]}", value)[0])
    return None


# -- PNG ---------------------------------------------------------------------------------------------------

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_READ = (b"tRNS", b"eXIf", *_TEXTS)
_EXIF_TEXT, _EXIF_PROFILE, _XMP_TEXT = b"exif", b"Raw profile type exif", b"XML:com.adobe.xmp"


def _png(data: bytes) -> PictureFile:
    """Leave out the ancillary chunks, whose names begin with a small letter, but a sound tRNS.

    ISO/IEC 15948, 5.4: a decoder may ignore them. libpng does so where their CRC is wrong.
    """
    view, pieces, left_out = memoryview(data), [memoryview(_PNG)], False
    metadata, profile, has_pixels = _Metadata(), b"", False
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
    at = len(_PNG)
    for _ in range(_MOST_PARTS):
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
    """The keyword of a text chunk, and its text if the keyword is one that matters; up to _METADATA_BYTES of it."""
    name, _, text = content[: _METADATA_BYTES + 256].partition(b"\0")
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
            text = zlib.decompressobj().decompress(text, _METADATA_BYTES)
        except zlib.error:
            text = b""
    return name, text


def _from_hexadecimal(text: bytes) -> bytes:
    """The EXIF block in a text of ImageMagick: after three lines, hexadecimal digits. Empty where it has others."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


# -- JPEG --------------------------------------------------------------------------------------------------

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a frame header (SOF), which has the size."""
_SCAN, _END = 0xDA, 0xD9
_COMMENT, _TEMPORARY = 0xFE, 0x01
_NO_FILL = re.compile(rb"[^\xff]")
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"


def _jpeg(data: bytes) -> PictureFile:
    """Leave out comments and application segments, but those of JFIF and Adobe, which say what the colours are."""
    view, pieces = memoryview(data), [memoryview(data[:2])]
    metadata, at, left_out = _Metadata(), 2, False
    for marker, start, end in _segments(data):
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


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker, start and end of each segment before the pixels; then all that follows, as one with its marker.

    As libjpeg reads them: bytes between two segments are skipped, and a length under two is taken for two.
    """
    at = 2
    for _ in range(_MOST_PARTS):
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


# -- WebP --------------------------------------------------------------------------------------------------

_WEBP_PIXELS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # ICC profile, EXIF, XMP


def _webp(data: bytes) -> PictureFile:
    """Leave out the chunks that hold no pixels (RFC 9649, 2.7.1)."""
    view, pieces, left_out = memoryview(data), [], False
    metadata = _Metadata()
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
    for _ in range(_MOST_PARTS):
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


# -- TIFF --------------------------------------------------------------------------------------------------

_TIFF_PIXELS = frozenset(
    {*range(254, 267), 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, *range(322, 326), 332, 334}
    | {*range(338, 342), 347, *range(512, 522), *range(529, 533)}
)
"""Tags that say how the pixels are stored, and the orientation."""


def tiff_without_metadata(data: bytes) -> bytes | None:
    """A TIFF file whose first directory says nothing but where its pixels are. None for what is no TIFF file.

    Other tags get a type that there is not, so that they are skipped.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return None
    plain = bytearray(data)
    (at,) = struct.unpack_from(f"{order}I", plain, 4)
    if at + 2 > len(plain):
        return None
    (count,) = struct.unpack_from(f"{order}H", plain, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(plain) - 11), 12):
        if struct.unpack_from(f"{order}H", plain, entry)[0] not in _TIFF_PIXELS:
            struct.pack_into(f"{order}H", plain, entry + 2, 0)
    return bytes(plain)


# -- kinds of files ----------------------------------------------------------------------------------------

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (_PNG, "a PNG image"),
    (_JPEG, "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"II+\0", "a TIFF image"),
    (b"MM\0+", "a TIFF image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    (b"\0\0\1\0", "an ICO image"),
    (b"\0\0\2\0", "a CUR image"),
    (b"8BPS", "a PSD image"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"DDS ", "a DDS image"),
    (b"qoif", "a QOI image"),
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x93NUMPY", "an npy array"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
)
_ISO_BRANDS = {
    "an AVIF image": (b"avif", b"avis"),
    "an HEIC image": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
}
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


def kind_of(data: bytes) -> str | None:
    """What a file is by its first bytes, with its article; None where they say nothing."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "a WebP image"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "a BMP image"
    if data[:1] == b"P" and data[1:2] in b"1234567" and data[2:3] in b" \t\r\n#" and len(data) > 3:
        return "a PPM image"
    if data[4:8] == b"ftyp":
        brands = {data[at : at + 4] for at in range(8, min(len(data), int.from_bytes(data[:4], "big"), 128), 4)}
        return next((kind for kind, names in _ISO_BRANDS.items() if brands & {*names}), "a video or another ISO file")
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<"):
        return "an SVG drawing" if b"<svg" in head else "an HTML page" if b"<html" in head else "an XML document"
    return None
