"""Preprocessing: a user's picture or array to the network's numbers, and back."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from model_store.errors import ImageTooLarge, ImageUnreadable, InputError, NotFinite, OutOfRange, WrongDtype, WrongShape
from model_store.manifest import ImageInput, ImagePreprocess, SequenceInput, Standardisation, VectorInput
from model_store.preprocess import (
    TRAINING_FORMATS,
    Fit,
    array_to_input,
    encode_png,
    from_uint8,
    image_to_input,
    input_to_table,
    output_to_user,
    read_image,
    to_uint8,
)

Mode = Literal["L", "RGB"]
Background = tuple[int, int, int]
BLACK: Background = (0, 0, 0)


def spec_of(
    mode: Mode = "L",
    size: tuple[int, int] = (2, 2),
    *,
    background: Background = BLACK,
    value_range: tuple[float, float] = (0.0, 1.0),
) -> ImageInput:
    return ImageInput(
        shape=(*size, 1 if mode == "L" else 3),
        value_range=value_range,
        preprocess=ImagePreprocess(mode=mode, size=size, background=background),
    )


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own options
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def picture(values: Any) -> Image.Image:  # noqa: ANN401 - nested lists of any depth
    return Image.fromarray(np.array(values, np.uint8))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


# -- pictures: kinds and modes -----------------------------------------------------------------------------


def test_grey_png_is_scaled_to_the_value_range() -> None:
    png = encoded(picture([[0, 51], [102, 255]]))
    np.testing.assert_allclose(image_to_input(png, spec_of())[..., 0], [[0.0, 0.2], [0.4, 1.0]], atol=1e-7)
    symmetric = image_to_input(png, spec_of(value_range=(-1.0, 1.0)))
    np.testing.assert_allclose(symmetric[..., 0], [[-1.0, -0.6], [-0.2, 1.0]], atol=1e-6)
    assert symmetric.dtype == np.float32


def test_grey_becomes_rgb_and_rgb_becomes_grey() -> None:
    grey = image_to_input(encoded(picture([[51, 51], [51, 51]])), spec_of("RGB"))
    np.testing.assert_allclose(grey, np.full((2, 2, 3), 0.2), atol=1e-7)
    rgb = image_to_input(encoded(picture([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]])), spec_of())
    luma = np.array([[0.299, 0.587], [0.114, 1.0]])  # ITU-R BT.601
    np.testing.assert_allclose(rgb[..., 0], luma, atol=0.5 / 255)


def test_exif_orientation_turns_the_picture_upright() -> None:
    image = picture([[10, 20], [30, 40]])
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise
    turned = image_to_input(encoded(image, "PNG", exif=exif), spec_of())
    np.testing.assert_allclose(turned[..., 0] * 255, [[30, 10], [40, 20]], atol=1e-4)


def test_alpha_is_laid_over_the_background() -> None:
    pixels = [[[255, 0, 0, 255], [255, 0, 0, 0]], [[255, 0, 0, 51], [0, 0, 0, 0]]]
    x = image_to_input(encoded(picture(pixels)), spec_of("RGB", background=(0, 0, 255)))
    np.testing.assert_allclose(x[0, 0], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(x[0, 1], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(x[1, 0], [0.2, 0, 0.8], atol=0.5 / 255)


def test_grey_alpha_and_a_white_background() -> None:
    image = Image.merge("LA", [picture([[0, 0], [0, 0]]), picture([[255, 0], [0, 0]])])
    x = image_to_input(encoded(image), spec_of(background=(255, 255, 255)))
    np.testing.assert_allclose(x[..., 0], [[0, 1], [1, 1]])


def test_invert_turns_colours_but_not_alpha() -> None:
    image = Image.merge("LA", [picture([[0, 255], [51, 0]]), picture([[255, 255], [255, 0]])])
    x = image_to_input(encoded(image), spec_of(), invert=True)
    np.testing.assert_allclose(x[..., 0], [[1.0, 0.0], [0.8, 0.0]], atol=1e-6)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 13107], [32768, 65535]], np.uint16)
    x = image_to_input(encoded(Image.fromarray(values)), spec_of())
    np.testing.assert_allclose(x[..., 0], [[0, 0.2], [128 / 255, 1]], atol=1e-6)


def test_a_dark_sixteen_bit_picture_stays_dark() -> None:
    x = image_to_input(encoded(Image.fromarray(np.full((2, 2), 200, np.uint16))), spec_of())
    np.testing.assert_allclose(x, np.full((2, 2, 1), 1 / 255), atol=1e-6)


def test_palette_with_and_without_transparency() -> None:
    image = Image.frombytes("P", (2, 2), bytes([0, 1, 1, 0]))
    image.putpalette([255, 0, 0, 0, 255, 0])
    np.testing.assert_allclose(image_to_input(encoded(image), spec_of("RGB"))[0], [[1, 0, 0], [0, 1, 0]])
    seen = image_to_input(encoded(image, transparency=1), spec_of("RGB", background=(0, 0, 255)))
    np.testing.assert_allclose(seen[0], [[1, 0, 0], [0, 0, 1]])


def transparent_png(depth: int, colours: int, rows: NDArray[Any], *chunks: bytes) -> bytes:
    """A PNG of samples (h, w) or (h, w, c) of a depth, written bit by bit."""
    height, width = rows.shape[:2]
    bits = (rows.reshape(height, -1)[..., None] >> np.arange(depth)[::-1]) & 1
    lines = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    parts = (png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("clear", [0, 1, -1])
def test_one_transparent_grey_of_every_depth(depth: int, clear: int) -> None:
    """Only what is exactly this value shows the background; -1 is white."""
    top = 2**depth - 1
    clear = clear if clear >= 0 else top
    samples = np.array([[0, 1, top - 1, top]])
    data = transparent_png(depth, 0, samples, png_chunk(b"tRNS", struct.pack(">H", clear)))
    seen = np.where(samples == clear, 51, np.rint(samples * (255 / top)))
    x = image_to_input(data, spec_of("L", (1, 4), background=(51, 51, 51)))
    np.testing.assert_allclose(x[..., 0] * 255, seen, atol=1e-4)


@pytest.mark.parametrize("depth", [8, 16])
def test_one_transparent_colour_of_every_depth(depth: int) -> None:
    clear, other = (0x12, 0x34, 0xFF), (0x12, 0x35, 0xFF)
    samples = np.array([[clear, other]]) * (257 if depth == 16 else 1)
    if depth == 16:
        samples = samples - 0x11  # no byte is the same as the other
    data = transparent_png(depth, 2, samples, png_chunk(b"tRNS", struct.pack(">HHH", *samples[0, 0])))
    x = image_to_input(data, spec_of("RGB", (1, 2), background=(255, 0, 0)))
    np.testing.assert_allclose(x[0, 0], [1, 0, 0])
    np.testing.assert_allclose(x[0, 1] * 255, samples[0, 1] >> (depth - 8), atol=1e-4)


def test_a_transparent_grey_keeps_its_meaning_where_colours_are_inverted() -> None:
    samples = np.array([[0, 0x8000, 65535]])
    data = transparent_png(16, 0, samples, png_chunk(b"tRNS", struct.pack(">H", 65535)))
    x = image_to_input(data, spec_of("L", (1, 3)), invert=True)
    np.testing.assert_allclose(x[..., 0] * 255, [[255, 127, 0]], atol=1e-4)


@pytest.mark.parametrize("colours", [4, 6])
def test_alpha_of_sixteen_bits(colours: int) -> None:
    channels = {4: 2, 6: 4}[colours]
    samples = np.full((1, 2, channels), 65535)
    samples[0, 1, -1] = 0
    x = image_to_input(transparent_png(16, colours, samples), spec_of("L", (1, 2)))
    np.testing.assert_allclose(x[..., 0], [[1, 0]])


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_transparent_colours_of_a_palette_of_every_depth(depth: int) -> None:
    palette = png_chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0]))
    for alpha in (b"\xff\0", b"\xff\0" + bytes(300)):
        data = transparent_png(depth, 3, np.array([[0, 1]]), palette, png_chunk(b"tRNS", alpha))
        x = image_to_input(data, spec_of("RGB", (1, 2), background=(0, 0, 255)))
        np.testing.assert_allclose(x[0], [[1, 0, 0], [0, 0, 1]])


def test_one_bit_pictures() -> None:
    image = picture([[0, 255], [255, 0]]).convert("1")
    np.testing.assert_allclose(image_to_input(encoded(image), spec_of())[..., 0], [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 95}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 95}), ("PNG", {})],
)
def test_every_served_kind_is_read(kind: str, options: dict[str, Any]) -> None:
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    x = image_to_input(encoded(image, kind, **options), spec_of("RGB", (16, 16)))
    np.testing.assert_allclose(x.mean(axis=(0, 1)) * 255, [200, 100, 50], atol=3)


def test_cmyk_jpeg() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    x = image_to_input(encoded(image, "JPEG", quality=95), spec_of("RGB", (8, 8)))
    np.testing.assert_allclose(x.mean(axis=(0, 1)), [1, 0, 0], atol=0.02)


def test_the_first_frame_of_a_moving_picture() -> None:
    frames = [Image.new("L", (2, 2), value) for value in (51, 255)]
    moving = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_allclose(image_to_input(moving, spec_of()), np.full((2, 2, 1), 0.2), atol=1e-6)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "PPM"])
def test_training_reads_more_kinds_than_the_service(kind: str) -> None:
    data = encoded(picture([[51, 51], [51, 51]]), kind)
    np.testing.assert_allclose(image_to_input(data, spec_of(), formats=TRAINING_FORMATS)[0, 0], 0.2, atol=1e-6)
    with pytest.raises(ImageUnreadable):
        image_to_input(data, spec_of())


# -- pictures: size ----------------------------------------------------------------------------------------


def test_contain_keeps_everything_and_pads_with_the_background() -> None:
    wide = encoded(Image.new("L", (8, 4), 255))
    x = image_to_input(wide, spec_of(size=(4, 4), background=(51, 51, 51)))
    np.testing.assert_allclose(x[:, 0, 0], [0.2, 1, 1, 0.2], atol=1e-6)


def test_cover_fills_the_frame_from_the_middle() -> None:
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, 2:6] = 255
    x = image_to_input(encoded(Image.fromarray(pixels)), spec_of(size=(4, 4)), fit="cover")
    np.testing.assert_allclose(x, np.ones((4, 4, 1)))


def test_stretch_changes_the_proportions() -> None:
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, 4:] = 255
    x = image_to_input(encoded(Image.fromarray(pixels)), spec_of(size=(2, 2)), fit="stretch")
    assert x[0, 0, 0] < 0.1
    assert x[0, 1, 0] > 0.9


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3), np.uint8)
    fits: tuple[Fit, ...] = ("contain", "cover", "stretch")
    for fit in fits:
        x = image_to_input(encoded(Image.fromarray(pixels)), spec_of(size=(5, 3)), fit=fit)
        np.testing.assert_array_equal(to_uint8(x[None], spec_of(size=(5, 3)))[0, ..., 0], pixels)


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1)])
def test_the_thinnest_picture_keeps_one_line(size: tuple[int, int]) -> None:
    x = image_to_input(encoded(Image.new("L", size, 255)), spec_of(size=(28, 28)))
    assert x.sum() == 28.0


@settings(max_examples=50)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["contain", "cover", "stretch"]))
def test_any_size_becomes_the_models(width: int, height: int, fit: Fit) -> None:
    x = image_to_input(encoded(Image.new("RGB", (width, height), (255, 255, 255))), spec_of("RGB", (6, 4)), fit=fit)
    assert x.shape == (6, 4, 3)
    assert x.max() == 1.0
    assert x.min() >= 0.0


# -- pictures that are refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP"])
def test_bytes_that_are_no_picture(data: bytes) -> None:
    with pytest.raises(ImageUnreadable) as caught:
        image_to_input(data, spec_of())
    assert str(caught.value) == "the bytes are no complete image"
    assert caught.value.expected == "a complete image (PNG, JPEG, WEBP)"
    assert caught.value.got == ("no bytes" if not data else f"{len(data)} bytes that cannot be decoded to the end")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_pictures(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageUnreadable):
        image_to_input(data[: int(len(data) * share)], spec_of())


@settings(max_examples=150)
@given(st.data())
def test_damaged_pictures_are_read_or_refused_by_name(data: st.DataObject) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP"]))
    damaged = bytearray(encoded(Image.fromarray(noise), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        x = image_to_input(bytes(damaged), spec_of("RGB", (9, 7)))
    except InputError:
        return
    assert x.shape == (9, 7, 3)


@pytest.mark.parametrize(("width", "height"), [(100_000, 10_000), (4097, 4096), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(ImageTooLarge) as caught:
        read_image(png_header(width, height))
    assert caught.value.expected == "at most 16777216 pixels"


def test_the_limit_on_pixels_is_the_callers() -> None:
    png = encoded(Image.new("L", (10, 10)))
    assert read_image(png, max_pixels=100).size == (10, 10)
    with pytest.raises(ImageTooLarge, match="10 × 10") as caught:
        read_image(png, max_pixels=99)
    assert (caught.value.expected, caught.value.got) == ("at most 99 pixels", "100 pixels")


# -- pictures: bytes and numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-0.5, 2.0)])
def test_every_byte_survives_the_round_trip(value_range: tuple[float, float]) -> None:
    spec = spec_of(size=(16, 16), value_range=value_range)
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    x = from_uint8(every, spec)
    assert (x.min(), x.max()) == value_range
    np.testing.assert_array_equal(to_uint8(x, spec), every)


def test_pixels_outside_the_range_are_clipped_to_bytes() -> None:
    np.testing.assert_array_equal(to_uint8(np.array([-0.5, 0.5, 1.5]), spec_of()), [0, 128, 255])


def test_png_round_trip_in_grey_and_colour() -> None:
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        pixels = rng.integers(0, 256, (6, 4, channels), np.uint8)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))).reshape(6, 4, -1), pixels)


# -- arrays ------------------------------------------------------------------------------------------------

VECTOR = VectorInput(shape=(2,))
SEQUENCE = SequenceInput(shape=(3, 2))
TABLE = VectorInput(
    shape=(2,), preprocess=Standardisation(columns=("a", "b"), mean=(10.0, 1e9), deviation=(2.0, 100.0))
)


def test_float_images_stand_in_the_value_range() -> None:
    x = array_to_input(np.array([[[0.0, 0.25], [0.5, 1.0]]]), spec_of())
    assert x.shape == (1, 2, 2, 1)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x.ravel(), [0.0, 0.25, 0.5, 1.0])


def test_uint8_images_are_scaled() -> None:
    x = array_to_input(np.array([[[0, 255], [51, 102]]], np.uint8), spec_of(value_range=(-1.0, 1.0)))
    np.testing.assert_allclose(x.ravel(), [-1.0, 1.0, -0.6, -0.2], atol=1e-6)


def test_values_within_the_slack_are_clipped_and_beyond_it_refused() -> None:
    x = array_to_input(np.array([[[-9e-7, 1.0 + 9e-7], [0.0, 1.0]]]), spec_of())
    assert (x.min(), x.max()) == (0.0, 1.0)
    with pytest.raises(OutOfRange) as caught:
        array_to_input(np.array([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0001, 0.0]]]), spec_of())
    assert caught.value.loc == (1, 1, 0, 0)
    assert caught.value.expected == "values from 0 to 1"
    assert caught.value.got == "1.0001"


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<i4", ">i8", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("spec", [VECTOR, TABLE, SEQUENCE, spec_of("RGB")])
def test_every_number_type_and_order_gives_the_same_float32(
    dtype: str, order: Literal["C", "F"], spec: VectorInput | SequenceInput | ImageInput
) -> None:
    plain = np.random.default_rng(0).integers(0, 2, (4, *spec.shape))
    given_values = np.asarray(plain.astype(dtype), order=order)
    x = array_to_input(given_values, spec)
    expected = plain / 255.0 if dtype == "u1" and isinstance(spec, ImageInput) else plain
    if spec is TABLE:
        expected = (plain - [10.0, 1e9]) / [2.0, 100.0]
    np.testing.assert_allclose(x, expected, rtol=1e-6)
    assert x.dtype == np.dtype("=f4")
    assert x.flags.c_contiguous


@pytest.mark.parametrize(
    "values",
    [
        np.array([["a", "b"]]),
        np.array([[1j, 2j]]),
        np.array([[True, False]]),
        np.array([[None, {}]], dtype=object),
        np.array([["2026-01-01", "2026-01-02"]], "M8[D]"),
        np.zeros((1, 2), [("a", "f4")]),
    ],
)
def test_what_is_no_number_is_refused(values: NDArray[Any]) -> None:
    with pytest.raises(WrongDtype) as caught:
        array_to_input(values, VECTOR)
    assert caught.value.got == str(values.dtype)


@pytest.mark.parametrize(
    ("spec", "shape", "expected", "got"),
    [
        (spec_of(), (2, 2), "(n, 2, 2, 1)", "(2, 2)"),
        (spec_of(), (1, 2, 3), "(n, 2, 2, 1)", "(1, 2, 3, 1)"),
        (spec_of("RGB"), (1, 2, 2), "(n, 2, 2, 3)", "(1, 2, 2)"),
        (spec_of("RGB"), (1, 2, 2, 1), "(n, 2, 2, 3)", "(1, 2, 2, 1)"),
        (VECTOR, (2,), "(n, 2)", "(2,)"),
        (VECTOR, (), "(n, 2)", "()"),
        (VECTOR, (1, 3), "(n, 2)", "(1, 3)"),
        (SEQUENCE, (3, 2), "(n, 3, 2)", "(3, 2)"),
    ],
)
def test_wrong_shapes_say_both_sides(
    spec: VectorInput | SequenceInput | ImageInput, shape: tuple[int, ...], expected: str, got: str
) -> None:
    with pytest.raises(WrongShape) as caught:
        array_to_input(np.zeros(shape), spec)
    assert (caught.value.expected, caught.value.got) == (expected, got)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("spec", [VECTOR, TABLE, SEQUENCE, spec_of("RGB")])
def test_what_is_not_finite_is_named_by_position(bad: float, spec: VectorInput | SequenceInput | ImageInput) -> None:
    values = np.zeros((3, *spec.shape))
    position = (2, *(length - 1 for length in spec.shape))
    values[position] = bad
    values[(*position[:-1], 0)] = 0.5
    if spec is TABLE:
        values[:, 1] = 1e9
        values[2, 1] = bad * 100.0
    with pytest.raises(NotFinite) as caught:
        array_to_input(values, spec)
    assert caught.value.loc == position
    assert caught.value.got == str(values[position])


def test_an_empty_batch_keeps_its_shape() -> None:
    assert array_to_input(np.zeros((0, 2)), VECTOR).shape == (0, 2)


# -- tables ------------------------------------------------------------------------------------------------


def test_standardisation_by_hand() -> None:
    x = array_to_input(np.array([[10.0, 1e9], [14.0, 1e9 - 50.0]]), TABLE)
    np.testing.assert_array_equal(x, [[0.0, 0.0], [2.0, -0.5]])  # in float64: float32 would lose the 50
    np.testing.assert_array_equal(input_to_table(x, TABLE), np.array([[10.0, 1e9], [14.0, 1e9 - 50.0]], np.float32))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2))
def test_standardisation_round_trip(row: list[float]) -> None:
    spec = VectorInput(shape=(2,), preprocess=Standardisation(mean=(5.0, -300.0), deviation=(0.5, 20.0)))
    table = np.array([row])
    np.testing.assert_allclose(input_to_table(array_to_input(table, spec), spec), table, rtol=1e-5, atol=1e-4)


def test_outputs_come_back_in_the_users_units_and_range() -> None:
    np.testing.assert_array_equal(
        output_to_user(np.array([[1.0, -1.0]]), TABLE), np.array([[12.0, 1e9 - 100.0]], np.float32)
    )
    outputs = output_to_user(np.array([[[[-0.5], [0.5]], [[1.5], [1.0]]]]), spec_of())
    np.testing.assert_array_equal(outputs.ravel(), [0.0, 0.5, 1.0, 1.0])
    array_to_input(outputs, spec_of())
    np.testing.assert_array_equal(output_to_user(np.array([[7.0, -7.0]]), VECTOR), [[7.0, -7.0]])
