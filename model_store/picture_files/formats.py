"""Takes a picture file of any kind apart, and reads its size from its header."""

from __future__ import annotations

from model_store.picture_files import jpeg, png, webp
from model_store.picture_files.metadata import PictureFile


def take_apart(data: bytes) -> PictureFile:
    """Leave out of a PNG, JPEG or WebP file what its pixels do not need. Other files come back as they are.

    Raises ValueError for a file of too many parts. What is damaged is left as it is, for the decoder to refuse.
    """
    if data.startswith(png.SIGNATURE):
        return png.take_png_apart(data)
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.take_jpeg_apart(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return webp.take_webp_apart(data)
    return PictureFile(data, None)


def announced_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a PNG, JPEG or WebP file; None for other bytes.

    Pillow allocates two whole canvases when it opens a WebP file, and reads a JPEG's metadata.
    PNG: ISO/IEC 15948, 11.2.2. JPEG: ITU-T T.81, B.2.2. WebP: RFC 9649, 2.5 to 2.7.
    """
    if data.startswith(png.SIGNATURE) and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(jpeg.SIGNATURE):
        for marker, start, end in jpeg.segments(data):
            if marker in jpeg.FRAMES and end - start >= 9:
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
