"""Pictures whose metadata is odd, damaged or large: they are decoded, and turned upright where that can be read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model_store.errors import ImageUnreadable
from model_store.picture_files import announced_size, kind_of, take_apart
from model_store.preprocess import TRAINING_FORMATS, announced_pixels, read_image

Pixels = NDArray[np.uint8]

UPRIGHT = ((np.arange(24)[:, None] * 9 + np.arange(40) * 3) % 256).astype(np.uint8)
STORED = np.rot90(UPRIGHT)
"""As a camera stores it that was held on its side: orientation 6 turns it upright."""
ORIENTATION_6 = (0x0112, 3, 1, struct.pack("<H", 6))

Entry = tuple[int, int, int, bytes]


def directory(entries: list[Entry], begin: int = 8, following: int = 0) -> bytes:
    """A TIFF directory in little endian, and behind it the values that have no room in it."""
    table, values = struct.pack("<H", len(entries)), b""
    behind = begin + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in sorted(entries):
        if len(value) <= 4:
            table += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
        else:
            table += struct.pack("<HHII", tag, kind, count, behind + len(values))
            values += value + b"\0" * (len(value) % 2)
    return table + struct.pack("<I", following) + values


def exif(*entries: Entry, following: int = 0) -> bytes:
    """An EXIF block with these entries."""
    return b"II*\0\x08\0\0\0" + directory(list(entries), following=following)


def chunk(kind: bytes, content: bytes, crc: int | None = None) -> bytes:
    """A chunk of a PNG file, with a wrong CRC if it is given one."""
    sum_of = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", sum_of)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own options
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_with(*chunks: bytes, pixels: Pixels = STORED, behind: bool = False) -> bytes:
    """A PNG file with more chunks before its pixels, or behind them."""
    plain = encoded(Image.fromarray(pixels), "PNG")
    at = plain.index(b"IEND") - 4 if behind else 33
    return plain[:at] + b"".join(chunks) + plain[at:]


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_with(*segments: bytes, pixels: Pixels = STORED) -> bytes:
    """A JPEG file with more segments at its beginning, before JFIF's."""
    plain = encoded(Image.fromarray(pixels), "JPEG", quality=100)
    return plain[:2] + b"".join(segments) + plain[2:]


def webp_with(*chunks: tuple[bytes, bytes], pixels: Pixels = STORED) -> bytes:
    """An extended WebP file with more chunks behind its pixels."""
    plain = encoded(Image.fromarray(np.stack([pixels] * 3, -1)), "WEBP", lossless=True)
    height, width = pixels.shape
    extended = bytes([0x2C, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body: bytes = b"WEBPVP8X" + struct.pack("<I", 10) + extended + plain[12:]
    for kind, content in chunks:
        body += kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


CONTAINERS: Mapping[str, Callable[[bytes], bytes]] = {
    "PNG": lambda block: png_with(chunk(b"eXIf", block)),
    "PNG, behind the pixels": lambda block: png_with(chunk(b"eXIf", block), behind=True),
    "JPEG": lambda block: jpeg_with(segment(0xE1, b"Exif\0\0" + block)),
    "WebP": lambda block: webp_with((b"EXIF", block)),
    "WebP, with a prefix": lambda block: webp_with((b"EXIF", b"Exif\0\0" + block)),
}


def grey(data: bytes, **options: Any) -> Pixels:  # noqa: ANN401
    return np.asarray(read_image(data, **options).convert("L"))


def assert_shows(data: bytes, expected: Pixels, **options: Any) -> None:  # noqa: ANN401
    """The picture has these pixels, but for what JPEG loses."""
    got = grey(data, **options)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=3 if data.startswith(b"\xff\xd8") else 0)
    assert announced_pixels(data, formats=TRAINING_FORMATS) == expected.size


RATIONAL_1 = struct.pack("<ii", 1, 1)
ODD: dict[str, bytes] = {
    "nothing odd": exif(ORIENTATION_6),
    "a date that is a fraction": exif(ORIENTATION_6, (0x0132, 5, 1, RATIONAL_1)),
    "software that is a double": exif(ORIENTATION_6, (0x0131, 12, 1, struct.pack("<d", 1.5))),
    "a width that is text": exif(ORIENTATION_6, (0x0100, 2, 5, b"4000\0")),
    "a width of -1": exif(ORIENTATION_6, (0x0100, 9, 1, b"\xff" * 4)),
    "a resolution that is text": exif(ORIENTATION_6, (0x011A, 2, 3, b"72\0")),
    "a resolution of NaN": exif(ORIENTATION_6, (0x011A, 11, 1, struct.pack("<f", float("nan")))),
    "a resolution of -1/0": exif(ORIENTATION_6, (0x011A, 10, 1, struct.pack("<ii", -1, 0))),
    "a resolution of 0/0 and its unit": exif(ORIENTATION_6, (0x011A, 5, 1, bytes(8)), (0x0128, 3, 1, b"\2\0")),
    "a unit beyond 16 bits": exif(ORIENTATION_6, (0x0128, 4, 1, struct.pack("<I", 70_000))),
    "a maker whose name lies nowhere": exif(ORIENTATION_6, (0x010F, 2, 60_000, b"\0\0\xff\xff")),
    "a pointer of -1": exif(ORIENTATION_6, (0x8769, 9, 1, b"\xff" * 4)),
    "a pointer to itself": exif(ORIENTATION_6, (0x8769, 4, 1, struct.pack("<I", 8))),
    "XMP that is a double": exif(ORIENTATION_6, (0x02BC, 12, 1, struct.pack("<d", 1.0))),
    "a type that there is not": exif(ORIENTATION_6, (0x9999, 99, 1, b"\1\0\0\0")),
    "a second directory that lies nowhere": exif(ORIENTATION_6, following=50_000),
    "an orientation of 32 bits": exif((0x0112, 4, 1, struct.pack("<I", 6))),
    "a directory that is cut short": exif(ORIENTATION_6)[:24].replace(b"\1\0", b"\x09\0", 1),
    "big endian": b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0",
    "a prefix of its own": b"Exif\0\0" + exif(ORIENTATION_6),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ODD)
def test_odd_exif_does_not_stand_in_the_way_and_the_picture_is_turned(container: str, name: str) -> None:
    assert_shows(CONTAINERS[container](ODD[name]), UPRIGHT)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"garbage",
        b"II",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"II+\0\x08\0\0\0" + bytes(16),
        exif((0x0112, 3, 1, b"\x09\0")),
        exif((0x0112, 3, 2, b"\x06\0\x06\0")),
        exif((0x0112, 9, 1, b"\xff" * 4)),
        exif((0x0112, 2, 2, b"6\0")),
    ],
)
def test_exif_that_says_nothing_leaves_the_picture_as_it_is(container: str, block: bytes) -> None:
    assert_shows(CONTAINERS[container](block), STORED)


XMP = b'<rdf:Description tiff:Orientation="6"/>'
HEXADECIMAL = b"\nexif\n      26\n" + exif(ORIENTATION_6).hex().encode() + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)), id="XMP in PNG"),
        pytest.param(
            png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))), id="XMP in PNG, compressed"
        ),
        pytest.param(jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)), id="XMP in JPEG"),
        pytest.param(webp_with((b"XMP ", XMP)), id="XMP in WebP"),
        pytest.param(
            jpeg_with(segment(0xE1, b"Exif\0\0garbage"), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)),
            id="XMP beside garbage",
        ),
        pytest.param(png_with(chunk(b"tEXt", b"Raw profile type exif\0" + HEXADECIMAL)), id="a profile in text"),
        pytest.param(
            png_with(chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(HEXADECIMAL))),
            id="the same, compressed",
        ),
    ],
)
def test_the_orientation_is_found_where_programs_write_it(data: bytes) -> None:
    assert_shows(data, UPRIGHT)


BOMB = zlib.compress(bytes(4 << 20))
BROKEN_PNG: dict[str, bytes] = {
    "a large compressed text": chunk(b"zTXt", b"Comment\0\0" + BOMB),
    "a large compressed text in any language": chunk(b"iTXt", b"Comment\0\1\0\0\0" + BOMB),
    "XMP that unpacks to much": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    "a large profile": chunk(b"iCCP", b"p\0\0" + BOMB),
    "a profile that is compressed otherwise": chunk(b"iCCP", b"p\0\1xxxx"),
    "a profile without a name": chunk(b"iCCP", b""),
    "a text that is compressed otherwise": chunk(b"zTXt", b"Comment\0\7xxxx"),
    "a text that does not unpack": chunk(b"zTXt", b"Comment\0\0xxxx"),
    "many texts": b"".join(chunk(b"zTXt", b"%d\0\0" % number + zlib.compress(bytes(1 << 20))) for number in range(70)),
    "a text whose CRC is wrong": chunk(b"tEXt", b"Comment\0text", crc=1),
    "EXIF whose CRC is wrong": chunk(b"eXIf", exif(ORIENTATION_6), crc=1),
    "a gamma that is cut short": chunk(b"gAMA", b"\0"),
    "chromaticities that are cut short": chunk(b"cHRM", b"\0"),
    "a pixel size that is cut short": chunk(b"pHYs", b"\0"),
    "an intent that is cut short": chunk(b"sRGB", b""),
    "an animation that is cut short": chunk(b"acTL", b"\0"),
    "a frame out of turn": chunk(b"acTL", bytes([0, 0, 0, 1, 0, 0, 0, 0]))
    + chunk(b"fcTL", bytes([0, 0, 0, 9] + [0] * 22)),
    "a key that is no latin": chunk(b"tEXt", b"\xff\xfe\0\xff"),
    "transparency that is cut short": chunk(b"tRNS", b"\0"),
    "transparency whose CRC is wrong": chunk(b"tRNS", b"\0\0", crc=1),
    "a chunk that nobody knows": chunk(b"zzZz", b"x" * 100),
    "a profile in digits that are none": chunk(b"tEXt", b"Raw profile type exif\0\n\n\n\nxx"),
}


@pytest.mark.parametrize("name", BROKEN_PNG)
@pytest.mark.parametrize("behind", [False, True])
def test_a_png_with_a_broken_ancillary_chunk(name: str, behind: bool) -> None:
    assert_shows(png_with(BROKEN_PNG[name], behind=behind), STORED)


def test_a_png_that_is_cut_short_behind_its_pixels() -> None:
    whole = png_with(chunk(b"tEXt", b"Comment\0" + b"x" * 500), behind=True)
    assert_shows(whole[:-200], STORED)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_png_with_a_broken_critical_chunk_is_refused(kind: bytes) -> None:
    image = Image.fromarray(STORED).convert("P")
    broken = bytearray(encoded(image, "PNG"))
    at = broken.index(kind)
    (length,) = struct.unpack_from(">I", broken, at - 4)
    broken[at + 4 + length] ^= 1
    with pytest.raises(ImageUnreadable):
        read_image(bytes(broken))


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(segment(0xED, b"Photoshop 3.0\x008BIM"), id="Photoshop, cut short"),
        pytest.param(segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\xff"), id="Photoshop, cut in a name"),
        pytest.param(segment(0xE0, b"JFIF"), id="JFIF, cut short"),
        pytest.param(segment(0xEE, b"Adobe"), id="Adobe, cut short"),
        pytest.param(segment(0xE2, b"ICC_PROFILE\0"), id="a profile, cut short"),
        pytest.param(segment(0xE2, b"ICC_PROFILE\0\1\7") * 3, id="a profile whose parts are missing"),
        pytest.param(segment(0xE2, b"MPF\0"), id="MPO, cut short"),
        pytest.param(segment(0xE2, b"MPF\0garbage"), id="MPO that is garbage"),
        pytest.param(segment(0xE2, b"MPF\0" + exif((0xB001, 4, 1, b"\2\0\0\0"))), id="MPO without entries"),
        pytest.param(segment(0xE2, b"FPXR\0"), id="FlashPix"),
        pytest.param(segment(0xE1, b"Exif\0\0"), id="EXIF, empty"),
        pytest.param(segment(0xE1, b""), id="a segment of nothing"),
        pytest.param(b"\xff\xe5\0\0", id="a length of 0"),
        pytest.param(b"\xff\xe5\0\1", id="a length of 1"),
        pytest.param(segment(0xFE, b"\xff" * 1000), id="a comment"),
        pytest.param(b"\xff" * 50 + segment(0xFE, b"c"), id="fill bytes"),
        pytest.param(segment(0xFE, b"c") + b"junk\xff\0junk", id="junk between segments"),
    ],
)
def test_a_jpeg_with_a_broken_segment(part: bytes) -> None:
    assert_shows(jpeg_with(part), STORED)


def test_an_mpo_is_its_first_picture() -> None:
    first, second = Image.fromarray(UPRIGHT).convert("RGB"), Image.fromarray(255 - UPRIGHT).convert("RGB")
    assert_shows(encoded(first, "MPO", save_all=True, append_images=[second], quality=100), UPRIGHT)


@pytest.mark.parametrize(
    ("kind", "content"),
    [(b"ICCP", b"no profile"), (b"EXIF", b"odd"), (b"XMP ", b"\xff" * 3001), (b"abcd", b"nobody knows")],
)
def test_a_webp_with_a_broken_chunk(kind: bytes, content: bytes) -> None:
    whole = webp_with((kind, content))
    assert_shows(whole, STORED)
    assert_shows(whole[:-2], STORED)  # cut short behind the pixels; or the padding was forgotten


# -- what is sound is decoded as before --------------------------------------------------------------------


def _sound() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (23, 37, 3), np.uint8))
    modes = {mode: rgb.convert(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")}
    modes["I;16"] = Image.fromarray(rng.integers(0, 65536, (23, 37), np.uint16))
    sound: dict[str, bytes] = {}
    for mode, image in modes.items():
        if mode != "CMYK":
            sound[f"PNG {mode}"] = encoded(image, "PNG", dpi=(72, 72), icc_profile=b"profile", exif=exif(ORIENTATION_6))
        if mode in ("1", "L", "RGB", "CMYK"):
            for progressive in (False, True):
                sound[f"JPEG {mode} {progressive}"] = encoded(
                    image,
                    "JPEG",
                    progressive=progressive,
                    icc_profile=b"p" * 70_000,
                    comment=b"c",
                    exif=b"Exif\0\0" + exif(ORIENTATION_6),
                )
        if mode in ("L", "RGB", "RGBA"):
            for lossless in (False, True):
                sound[f"WebP {mode} {lossless}"] = encoded(
                    image,
                    "WEBP",
                    lossless=lossless,
                    icc_profile=b"profile",
                    xmp=XMP,
                    exif=exif((0x0112, 3, 1, b"\3\0")),
                )
    for orientation in range(1, 9):
        block = exif((0x0112, 3, 1, bytes([orientation, 0])))
        for kind in ("PNG", "JPEG", "WEBP"):
            sound[f"{kind}, orientation {orientation}"] = encoded(rgb, kind, exif=b"Exif\0\0" + block)
    transparent = modes["P"].copy()
    sound["PNG, one colour of a palette"] = encoded(transparent, "PNG", transparency=3)
    sound["PNG, a palette with alpha"] = encoded(transparent, "PNG", transparency=bytes(range(256)))
    sound["PNG, one grey"] = encoded(modes["L"], "PNG", transparency=77)
    sound["PNG, one colour"] = encoded(rgb, "PNG", transparency=(1, 2, 3))
    sound["PNG, moving"] = encoded(rgb, "PNG", save_all=True, append_images=[rgb.rotate(180)])
    sound["PNG, moving behind a still"] = encoded(
        rgb, "PNG", save_all=True, append_images=[rgb.rotate(180)], default_image=True
    )
    sound["WebP, moving"] = encoded(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)], lossless=True)
    sound["JPEG, Adobe's RGB"] = encoded(rgb, "JPEG", keep_rgb=True)
    return sound


SOUND = _sound()


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_picture_is_decoded_as_pillow_decodes_it(name: str) -> None:
    with Image.open(io.BytesIO(SOUND[name])) as opened:
        expected = ImageOps.exif_transpose(opened)
        size = opened.size
    got = read_image(SOUND[name])
    assert (got.mode, got.size, got.info.get("transparency")) == (
        expected.mode,
        expected.size,
        expected.info.get("transparency"),
    )
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))
    assert announced_size(SOUND[name]) == size


def test_a_file_without_metadata_is_not_copied() -> None:
    image = Image.fromarray(UPRIGHT)
    for kind in ("PNG", "JPEG", "WEBP"):
        data = encoded(image, kind)
        assert take_apart(data).pixels is data


# -- what it costs -----------------------------------------------------------------------------------------


def test_metadata_is_not_unpacked_to_more_than_a_megabyte() -> None:
    bomb = zlib.compress(bytes(64 << 20))
    data = png_with(*(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb) for _ in range(4)))
    tracemalloc.start()
    try:
        read_image(data)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        png_with(chunk(b"tEXt", b"") * 150_000),
        jpeg_with(b"\xff\xfe\0\2" * 150_000),
        webp_with(*[(b"abcd", b"")] * 150_000),
    ],
    ids=["PNG", "JPEG", "WebP"],
)
def test_a_file_of_very_many_parts_is_refused(data: bytes) -> None:
    with pytest.raises(ImageUnreadable):
        read_image(data)


# -- TIFF --------------------------------------------------------------------------------------------------


def tiff(*entries: Entry) -> bytes:
    """An uncompressed TIFF file of STORED with more entries."""
    height, width = STORED.shape
    numbers = {0x100: width, 0x101: height, 0x102: 8, 0x103: 1, 0x106: 1, 0x111: 0, 0x115: 1, 0x116: height}
    for _ in range(2):  # the second time it is known where the pixels begin
        listed: list[Entry] = [(tag, 4, 1, struct.pack("<I", number)) for tag, number in numbers.items()]
        head = exif(*listed, (0x117, 4, 1, struct.pack("<I", STORED.size)), *entries)
        numbers[0x111] = len(head)
    return head + STORED.tobytes()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param((0x8769, 9, 1, b"\xff" * 4), id="a pointer of -1"),
        pytest.param((0x02BC, 12, 1, struct.pack("<d", 1.0)), id="XMP that is a double"),
        pytest.param((0x02BC, 5, 1, RATIONAL_1), id="XMP that is a fraction"),
        pytest.param((0x011A, 2, 3, b"72\0"), id="a resolution that is text"),
        pytest.param((0x0132, 5, 1, RATIONAL_1), id="a date that is a fraction"),
    ],
)
def test_odd_tags_of_a_tiff_file(entry: Entry) -> None:
    assert_shows(tiff(ORIENTATION_6, entry), UPRIGHT, formats=TRAINING_FORMATS)


# -- kinds -------------------------------------------------------------------------------------------------

OTHERS: dict[str, bytes] = {
    "a BMP image": encoded(Image.fromarray(UPRIGHT), "BMP"),
    "a GIF image": encoded(Image.fromarray(UPRIGHT), "GIF"),
    "a TIFF image": encoded(Image.fromarray(UPRIGHT), "TIFF"),
    "a PPM image": encoded(Image.fromarray(UPRIGHT), "PPM"),
    "an ICO image": encoded(Image.fromarray(UPRIGHT), "ICO"),
    "an AVIF image": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
    "an HEIC image": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "a JPEG XL image": b"\xff\x0a\xfa\x1f",
    "a JPEG 2000 image": b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ",
    "an SVG drawing": b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "an HTML page": b"<!doctype html><html></html>",
    "a PDF document": b"%PDF-1.7\n",
    "a PSD image": b"8BPS\0\1",
    "a video or another ISO file": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
    "an npy array": b"\x93NUMPY\1\0",
    "a ZIP archive": b"PK\3\4",
    "gzip data": b"\x1f\x8b\x08",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_called_what_it_is(kind: str) -> None:
    assert kind_of(OTHERS[kind]) == kind
    with pytest.raises(ImageUnreadable) as refused:
        read_image(OTHERS[kind])
    assert str(refused.value) == f"the bytes are {kind}; PNG, JPEG, WEBP are taken"
    assert refused.value.expected == "a complete image (PNG, JPEG, WEBP)"
    assert refused.value.got == kind


@pytest.mark.parametrize("data", [b"", b"hello", b"BM, a text", b"P4ssword", bytes(100)])
def test_bytes_that_are_nothing_in_particular(data: bytes) -> None:
    assert kind_of(data) is None


def test_a_damaged_picture_of_a_kind_that_is_taken_is_called_damaged() -> None:
    for kind, formats in (("PNG", ("PNG", "JPEG", "WEBP")), ("GIF", TRAINING_FORMATS)):
        with pytest.raises(ImageUnreadable, match="no complete image") as refused:
            read_image(encoded(Image.fromarray(UPRIGHT), kind)[:60], formats=formats)
        assert refused.value.got == "60 bytes that cannot be decoded to the end"
