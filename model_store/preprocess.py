"""Preprocessing: a user's pictures, arrays and rows become the network's input, and outputs become the user's.

Training, the goldens and the service all come through here, so that a served answer is the trained one. The
parameters are in the manifest (`ImagePreprocess`, `Standardisation`); a change of behaviour needs a new version of
them there.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageColor, ImageOps

from model_store.arrays import Float32, UInt8
from model_store.errors import ImageTooLarge, ImageUnreadable, NotFinite, OutOfRange, WrongDtype, WrongShape
from model_store.manifest import ImageInput, ImagePreprocess, SequenceInput, VectorInput
from model_store.picture_files import announced_size, kind_of, take_apart, tiff_without_metadata

Array = NDArray[Any]
Fit = Literal["contain", "cover", "stretch"]

SERVED_FORMATS = ("PNG", "JPEG", "WEBP")
TRAINING_FORMATS = (*SERVED_FORMATS, "BMP", "GIF", "TIFF", "PPM")
MAX_PIXELS = 2**24
RANGE_SLACK = 1e-6
_BOMB_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS)


# -- images ------------------------------------------------------------------------------------------------


def read_image(data: bytes, *, formats: Collection[str] = SERVED_FORMATS, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode one picture and turn it upright by its EXIF orientation; of a moving picture, the first frame.

    The size is read from the header before anything is decoded. Metadata that makes no sense does not matter. Raises
    ImageTooLarge, or ImageUnreadable for bytes that are no complete image of one of `formats`.
    """
    with _image_errors(data, formats, max_pixels):
        size = announced_size(data)
        if size is not None:
            _limit_pixels(size, max_pixels)
        file = take_apart(data)
        try:
            image = _decoded(file.pixels, formats, max_pixels)
        except (ValueError, TypeError, OSError):
            plain = tiff_without_metadata(data)
            if plain is None:
                raise
            image = _decoded(plain, formats, max_pixels)
        orientation = _orientation(image) if file.orientation is None else file.orientation
        turn = _TURNS.get(orientation)
        return image if turn is None else image.transpose(turn)


def _decoded(data: bytes, formats: Collection[str], max_pixels: int) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=list(formats))
    _limit_pixels(image.size, max_pixels)
    image.load()
    return image


def announced_pixels(data: bytes, *, formats: Collection[str] = SERVED_FORMATS, max_pixels: int = MAX_PIXELS) -> int:
    """The number of pixels that a picture's header announces, width × height; nothing is decoded.

    `read_image` with this number as `max_pixels` never decodes more. Raises ImageTooLarge or ImageUnreadable.
    """
    with _image_errors(data, formats, max_pixels):
        size = announced_size(data)
        if size is None:
            size = Image.open(io.BytesIO(take_apart(data).pixels), formats=list(formats)).size
        _limit_pixels(size, max_pixels)
        return size[0] * size[1]


@contextmanager
def _image_errors(data: bytes, formats: Collection[str], max_pixels: int) -> Iterator[None]:
    """Turn whatever Pillow raises into ImageTooLarge or ImageUnreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of bombs and of odd EXIF; both are handled here
            yield
    except Image.DecompressionBombError:
        raise ImageTooLarge(
            "the image announces far too many pixels", expected=f"at most {max_pixels} pixels", got="more"
        ) from None
    except (ImageTooLarge, MemoryError):
        raise
    except Exception as error:
        raise _unreadable(data, formats) from error


def _limit_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    pixels = width * height
    if pixels > _BOMB_PIXELS:
        raise Image.DecompressionBombError  # as Pillow does where it reads the header
    if pixels > max_pixels:
        raise ImageTooLarge(
            f"the image has {width} × {height} pixels",
            expected=f"at most {max_pixels} pixels",
            got=f"{pixels} pixels",
        )


def _unreadable(data: bytes, formats: Collection[str]) -> ImageUnreadable:
    taken = ", ".join(formats)
    expected = f"a complete image ({taken})"
    kind = kind_of(data)
    if kind is not None and kind.lower() not in {f"a {name} image".lower() for name in formats}:
        return ImageUnreadable(f"the bytes are {kind}; {taken} are taken", expected=expected, got=kind)
    got = f"{len(data)} bytes that cannot be decoded to the end" if data else "no bytes"
    return ImageUnreadable("the bytes are no complete image", expected=expected, got=got)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture with each EXIF orientation is turned upright."""


def _orientation(image: Image.Image) -> int:
    """The orientation as Pillow reads it; 1 where it cannot."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - whatever Pillow makes of it, the pixels are decoded already
        return 1


def image_to_input(
    data: bytes,
    spec: ImageInput,
    *,
    fit: Fit | None = None,
    invert: bool = False,
    formats: Collection[str] = SERVED_FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Float32:
    """Bring one encoded picture to the model's input: float32 (h, w, c) in the value range.

    In order: decode, EXIF orientation, `invert` of the colours (never of alpha), alpha over the background,
    colour mode, size by `fit` (the manifest's where None), scale. Raises as `read_image`.
    """
    image = read_image(data, formats=formats, max_pixels=max_pixels)
    pixels = fit_image(image, spec.preprocess, fit=fit, invert=invert)
    x: Float32 = from_uint8(pixels[None], spec)[0]
    return x


def fit_image(
    image: Image.Image, preprocess: ImagePreprocess, *, fit: Fit | None = None, invert: bool = False
) -> UInt8:
    """Convert a decoded picture to the model's colour mode and size: uint8 (h, w, c)."""
    flat = _flatten(image, preprocess, invert=invert)
    height, width = preprocess.size
    size, resample = (width, height), Image.Resampling.BICUBIC
    if flat.size != size:
        how = fit or preprocess.fit
        if how == "stretch":
            flat = flat.resize(size, resample)
        elif how == "cover":
            flat = ImageOps.fit(flat, size, resample)
        else:
            flat = _contain(flat, size, preprocess)
    return np.asarray(flat, dtype=np.uint8).reshape(height, width, -1)


def _contain(flat: Image.Image, size: tuple[int, int], preprocess: ImagePreprocess) -> Image.Image:
    """Fit the whole picture into the middle of the background; a very thin one stays at least one pixel wide."""
    scale = min(size[0] / flat.width, size[1] / flat.height)
    fitted = flat.resize(
        (max(1, round(flat.width * scale)), max(1, round(flat.height * scale))), Image.Resampling.BICUBIC
    )
    canvas = Image.new(flat.mode, size, _background(preprocess))
    canvas.paste(fitted, ((size[0] - fitted.width) // 2, (size[1] - fitted.height) // 2))
    return canvas


def _background(preprocess: ImagePreprocess) -> int | tuple[int, int, int]:
    red, green, blue = preprocess.background
    if preprocess.mode == "RGB":
        return red, green, blue
    grey = ImageColor.getcolor(f"rgb({red},{green},{blue})", "L")
    return grey if isinstance(grey, int) else grey[0]


def _flatten(image: Image.Image, preprocess: ImagePreprocess, *, invert: bool) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_eight_bits(image)
    if image.mode in ("RGBA", "LA", "La", "RGBa", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        colour = rgba.convert("RGB")
        colour = ImageOps.invert(colour) if invert else colour
        flat = Image.new("RGB", rgba.size, preprocess.background)
        flat.paste(colour, mask=rgba.getchannel("A"))
    else:
        flat = image.convert("L" if image.mode in ("1", "L") else "RGB")
        flat = ImageOps.invert(flat) if invert else flat
    return flat.convert(preprocess.mode)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion would clip everything above 255 to white.

    A value that the file calls transparent becomes an alpha channel: after scaling, others would be equal to it.
    """
    given = np.asarray(image)
    values = given.astype(np.float64)
    top = 65535.0 if values.max(initial=0) > 255 or image.mode.startswith("I;16") else 255.0
    grey = Image.fromarray(np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    return Image.merge("LA", (grey, Image.fromarray(np.where(given == clear, 0, 255).astype(np.uint8))))


def from_uint8(images: UInt8, spec: ImageInput) -> Float32:
    """Scale 0…255 to the value range: uint8 (n, h, w, c) -> float32, the same shape."""
    low, high = (np.float32(bound) for bound in spec.value_range)
    scale = np.float32((spec.value_range[1] - spec.value_range[0]) / 255.0)
    scaled: Float32 = np.multiply(images, scale, dtype=np.float32, order="C")
    if low:
        scaled += low
    rounded_up = np.float32(255) * scale + low > high
    return np.clip(scaled, low, high, out=scaled) if rounded_up else scaled


def to_uint8(x: Array, spec: ImageInput) -> UInt8:
    """Scale the value range to 0…255, rounding and clipping: (n, h, w, c) -> uint8, the same shape."""
    low, high = spec.value_range
    scaled = np.rint((x.astype(np.float32) - low) * (255.0 / (high - low)))
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)


def encode_png(image: UInt8) -> bytes:
    """Write uint8 (h, w, 1 or 3) as PNG bytes."""
    buffer = io.BytesIO()
    pillow = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    pillow.save(buffer, format="PNG")
    return buffer.getvalue()


# -- arrays ------------------------------------------------------------------------------------------------


def array_to_input(values: Array, spec: ImageInput | VectorInput | SequenceInput) -> Float32:
    """Bring a batch of arrays to the network's input: float32 (n, *shape).

    Images are (n, h, w, c), or (n, h, w) for one channel; uint8 images are scaled from 0…255; every other number
    stands in the value range, to within 1e-6. Vectors and sequences are (n, features) and (n, steps, features) in
    the user's own units. Raises WrongDtype, WrongShape, NotFinite or OutOfRange; `loc` is the position.
    """
    if values.dtype.kind not in "iuf":
        raise WrongDtype(
            "the inputs are no array of real numbers", expected="integers or floats", got=str(values.dtype)
        )
    if isinstance(spec, ImageInput) and spec.shape[-1] == 1 and values.ndim == 3:
        values = values[..., None]
    if values.ndim != len(spec.shape) + 1 or values.shape[1:] != spec.shape:
        raise WrongShape(
            "the inputs do not have the model's shape",
            expected=f"(n, {', '.join(map(str, spec.shape))})",
            got=_shape(values),
        )
    if isinstance(spec, ImageInput) and values.dtype == np.uint8:
        return from_uint8(values, spec)
    if isinstance(spec, VectorInput):
        x = table_to_input(values, spec)
        require_finite(x, given=values)
    elif spec.value_range is None:
        return to_float32(values)
    else:
        if values.size and _is_within(values, spec.value_range):
            return np.ascontiguousarray(values, dtype=np.float32)  # and finite: NaN is in no order
        x = to_float32(values)
    return _within(x, spec.value_range) if spec.value_range is not None else x


def _is_within(values: Array, value_range: tuple[float, float]) -> bool:
    """Tell quickly whether all numbers lie in a range and are finite; it may answer False for -0.0.

    Floats from 0 up have the order of their bits (IEEE 754-2019, 3.4). A sign, an infinity and NaN make the bits larger
    than those of 1. So for [0, 1] one comparison a number is enough.
    """
    bits = _BITS.get(values.dtype.str) if value_range == (0.0, 1.0) and values.flags.c_contiguous else None
    if bits is not None:
        return bool(np.maximum.reduce(values.reshape(-1).view(bits[0])) <= bits[1])
    low, high = value_range
    return bool(low <= values.min() and values.max() <= high)  # NaN is in no order


_BITS = {
    np.dtype(kind).str: (unsigned, int(np.ones(1, kind).view(unsigned)[0]))
    for kind, unsigned in ((np.float32, np.uint32), (np.float64, np.uint64))
}
"""For each float type of a request body: the unsigned integer type of its size, and the bits of 1.0."""


def to_float32(values: Array) -> Float32:
    """Convert to float32 in C order. Raises NotFinite, with the position, for what is not finite in float32."""
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(values, dtype=np.float32)
    require_finite(x, given=values)
    return x


def require_finite(x: Float32, *, given: Array) -> None:
    """Raise NotFinite for the first number of `x` that is not finite; `given` is the user's array."""
    if np.isfinite(x).all():
        return
    position = _first(~np.isfinite(x))
    raise NotFinite(
        "the array holds a value that is no finite number",
        expected="finite float32 numbers",
        got=str(given[position]),
        loc=position,
    )


def _within(x: Float32, value_range: tuple[float, float]) -> Float32:
    low, high = value_range
    outside = (x < low - RANGE_SLACK) | (x > high + RANGE_SLACK)
    if outside.any():
        position = _first(outside)
        raise OutOfRange(
            "a value lies outside the model's value range",
            expected=f"values from {low:g} to {high:g}",
            got=f"{x[position]:g}",
            loc=position,
        )
    return np.clip(x, np.float32(low), np.float32(high))


def _first(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))


def _shape(values: Array) -> str:
    return f"({', '.join(map(str, values.shape))}{',' if values.ndim == 1 else ''})"


def table_to_input(rows: Array, spec: VectorInput) -> Float32:
    """Standardise rows (n, features) of a table if the manifest says so: float32 (n, features)."""
    with np.errstate(over="ignore", invalid="ignore"):
        if spec.preprocess is None:
            return np.ascontiguousarray(rows, dtype=np.float32)
        mean, deviation = np.array(spec.preprocess.mean), np.array(spec.preprocess.deviation)
        return np.ascontiguousarray((rows.astype(np.float64) - mean) / deviation, dtype=np.float32)


def input_to_table(x: Array, spec: VectorInput) -> Float32:
    """Undo `table_to_input`: the network's numbers (n, features) become the table's own units."""
    if spec.preprocess is None:
        return np.asarray(x, dtype=np.float32)
    mean, deviation = np.array(spec.preprocess.mean), np.array(spec.preprocess.deviation)
    return np.asarray(x.astype(np.float64) * deviation + mean, dtype=np.float32)


def one_hot_rows(
    labels: NDArray[np.int64] | None, spec: ImageInput | VectorInput | SequenceInput
) -> dict[str, Float32]:
    """Class indices (n,) as the network's `labels` (n, classes); nothing for an unconditional model."""
    if labels is None or not spec.conditional:
        return {}
    return {"labels": np.eye(len(spec.class_names or ()), dtype=np.float32)[labels]}


def output_to_user(outputs: Array, spec: ImageInput | VectorInput | SequenceInput) -> Float32:
    """Convert the decoder's outputs for the user: clipped to the value range, or in the table's own units."""
    if isinstance(spec, VectorInput):
        outputs = input_to_table(outputs, spec)
    if spec.value_range is not None:
        outputs = np.clip(outputs, np.float32(spec.value_range[0]), np.float32(spec.value_range[1]))
    return np.asarray(outputs, dtype=np.float32)
