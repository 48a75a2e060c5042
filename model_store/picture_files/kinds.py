"""Says what kind of file it is, by its first bytes."""

from __future__ import annotations

from model_store.picture_files import jpeg, png

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (png.SIGNATURE, "a PNG image"),
    (jpeg.SIGNATURE, "a JPEG image"),
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
