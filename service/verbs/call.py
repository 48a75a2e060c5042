"""The data of one verb call (model, payload, settings), with the input checks and conversions that verbs share."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32, UInt8
from model_store.errors import InputError
from model_store.manifest import ImageInput, SequenceInput, VectorInput
from model_store.preprocess import (
    announced_pixels,
    array_to_input,
    image_to_input,
    output_to_user,
    to_float32,
    to_uint8,
)
from service.errors import (
    MAX_NAME,
    AnswerTooLarge,
    InvalidValue,
    LabelError,
    LatentSizeMismatch,
    ServiceError,
    TooManyItems,
    TooManyPixels,
    WrongDtype,
    WrongShape,
    from_store,
)
from service.limits import COUNTED_BYTES, InFlightBytes, Pools, Work
from service.models.served_model import Clock, ServedModel, require_finite
from service.settings import Settings
from service.verbs.options import InputOptions, Label, PictureOptions
from service.wire.payload import Payload
from service.wire.pictures import Sheet

_SMALL_NUMBER = re.compile("[0-9]{1,6}")

_INLINE_PICTURES, _INLINE_PICTURE_BYTES, _INLINE_PIXELS = 16, 64 << 10, 1 << 16
"""Up to so many pictures, bytes and pixels (the model's input included), pictures are decoded in the event loop, which
takes 2 ms at most; more are decoded in a thread."""
_INLINE_NUMBERS = 1 << 18
"""Arrays with more numbers are checked and converted in a thread: these take up to 2 ms."""
_TURN_PIXELS = 1 << 20
"""After so many pixels a request's pictures wait behind those of others, so that many large pictures delay nobody."""
_BYTES_A_PIXEL = 8
"""Memory of a picture while it is decoded: as it is stored, turned upright, and on its background."""


Draw = Callable[[], UInt8]
DrawSheet = Callable[[UInt8], Sheet]


@dataclass(slots=True)
class Result:
    """The result of a verb, before it is rendered."""

    model: str
    fields: dict[str, Any]
    """Fields of the JSON reply, in order: numbers, text, arrays, None, and one level of objects of these."""
    main: str
    """The name of the field that an npy reply holds."""
    items: int
    images: Draw | None = None
    """Draws one picture for each item of `outputs`, in order; None where the model has no pictures."""
    sheet: DrawSheet | None = None
    """Lays out the contact sheet of all images; None for a near-square sheet."""
    repeatable: bool = True
    """False where an equal request would get another answer."""
    more: Callable[[], dict[str, Any]] | None = None
    """Computes the other fields; not called for npy and pictures, which do not hold them."""

    def all_fields(self) -> dict[str, Any]:
        """All fields of the JSON reply, in order."""
        return self.fields if self.more is None else {**self.fields, **self.more()}


@dataclass(slots=True)
class Call:
    """One call of a verb: the model, the request's payload, the settings and the deadline."""

    model: ServedModel
    payload: Payload
    settings: Settings
    clock: Clock
    pools: Pools
    in_flight: InFlightBytes
    in_query: frozenset[str] = frozenset()
    """Names of the options that came in the query, where every value is text."""

    @property
    def spec(self) -> ImageInput | VectorInput | SequenceInput:
        """The specification of the model's input."""
        return self.model.manifest.input

    def reserve(self, nbytes: int) -> None:
        """Hold `nbytes` more until the request is answered. Raises MemoryFull. A few thousand bytes are not counted."""
        if nbytes >= COUNTED_BYTES:
            self.in_flight.reserve(self.clock, nbytes)

    # -- inputs --------------------------------------------------------------------------------------------

    async def inputs(self, options: InputOptions, array: NDArray[Any] | None) -> Float32:
        """Convert the request's items to the network's units: (n, …), n >= 1.

        `array` holds the items if they were sent as an array; else the request's pictures are resized to the input.
        """
        images = self.payload.images
        if array is not None and images is not None:
            raise _either("inputs or images, not both", "both")
        if array is None and images is None:
            raise _either("inputs or images", "neither")
        if images is not None:
            return await self._from_images(images, options)
        if array is not None and array.size > _INLINE_NUMBERS:
            self.reserve(4 * array.size)
            return await self.pools.bodies.run(lambda _: self._from_array(array), self.clock.deadline)
        return self._from_array(array)

    def _from_array(self, array: NDArray[Any] | None) -> Float32:
        if array is None or array.ndim == 0:
            raise WrongShape.at(["inputs"], "inputs must be a batch", expected="(n, …)", got="a single number")
        self.limit_items(len(array), "inputs")
        if array.dtype == np.uint8 and not isinstance(self.spec, ImageInput):
            raise WrongDtype.at(["inputs"], "this model takes no uint8", expected="floats", got="uint8")
        try:
            return array_to_input(array, self.spec)
        except InputError as error:
            raise from_store(error, ["inputs"]) from None

    async def _from_images(self, images: Sequence[bytes], options: InputOptions) -> Float32:
        loc, spec = self.payload.images_loc, self.spec
        if not isinstance(spec, ImageInput):
            raise InvalidValue.at(
                [loc], f"the model takes {spec.kind}s, no pictures", expected="inputs", got=f"{len(images)} pictures"
            )
        self.limit_items(len(images), loc)

        self.reserve(4 * len(images) * self.model.item_numbers)
        few = len(images) <= _INLINE_PICTURES and sum(map(len, images)) <= _INLINE_PICTURE_BYTES
        sizes = self._announced(images, loc) if few else []
        x = np.empty((len(images), *spec.shape), np.float32)

        def decode_some(start: int, work: Work | None) -> int:
            """Decode some pictures from `start` on; return where to go on."""
            if not sizes:
                sizes.extend(self._announced(images, loc))
            stop, pixels = start + 1, sizes[start]
            while stop < len(images) and pixels + sizes[stop] <= _TURN_PIXELS:
                pixels += sizes[stop]
                stop += 1
            with self.in_flight.during(self.clock, _BYTES_A_PIXEL * max(sizes[start:stop])):
                for index in range(start, stop):
                    if work is not None:
                        work.check()
                    try:
                        x[index] = image_to_input(
                            images[index], spec, fit=options.fit, invert=options.invert, max_pixels=sizes[index]
                        )
                    except InputError as error:
                        raise from_store(error, [loc, index]) from None
            return stop

        height, width, _ = spec.shape
        if few and sum(sizes) + len(images) * height * width <= _INLINE_PIXELS:
            decode_some(0, None)
            return x
        done = 0
        while done < len(images):
            done = await self.pools.pictures.run(partial(decode_some, done), self.clock.deadline)
        return x

    def _announced(self, images: Sequence[bytes], loc: str) -> list[int]:
        """The number of pixels that each picture's header announces, with the limits checked.

        Raises TooManyPixels, UnreadableImage or ImageTooLarge, before any picture is decoded.
        """
        settings, announced, total = self.settings, [], 0
        for index, data in enumerate(images):
            try:
                pixels = announced_pixels(data, max_pixels=settings.max_pixels)
            except InputError as error:
                raise from_store(error, [loc, index]) from None
            announced.append(pixels)
            total += pixels
            if total > settings.max_request_pixels:
                raise TooManyPixels.at(
                    [loc, index],
                    "the request's images have too many pixels together",
                    expected=f"at most {settings.max_request_pixels} pixels in all",
                    got=f"{total} pixels in the first {index + 1} of {len(images)} images",
                )
        return announced

    def codes(self, array: NDArray[Any] | None) -> Float32:
        """Check the request's codes, and convert them to float32 (n, d), n >= 1.

        Raises LatentSizeMismatch, WrongShape or NotFinite.
        """
        if array is None:
            raise InvalidValue.at(["z"], "z is missing", expected=self.code_shape, got="nothing")
        if array.ndim != 2:
            raise WrongShape.at(["z"], "z must be a batch of codes", expected=self.code_shape, got=str(array.shape))
        self.limit_items(len(array), "z")
        if array.dtype == np.uint8:
            raise WrongDtype.at(["z"], "codes are no bytes", expected="floats", got="uint8")
        if array.shape[1] != self.model.latent_dim:
            raise LatentSizeMismatch.at(
                ["z"],
                f"the codes have {array.shape[1]} numbers; this model's have {self.model.latent_dim}",
                expected=self.code_shape,
                got=str(array.shape),
            )
        try:
            return to_float32(array)
        except InputError as error:
            raise from_store(error, ["z"]) from None

    @property
    def code_shape(self) -> str:
        """The shape of codes, for error messages."""
        return f"(n, {self.model.latent_dim})"

    # -- labels --------------------------------------------------------------------------------------------

    def one_hot(self, labels: Sequence[Label] | None, n: int, name: str = "labels") -> Float32 | None:
        """Convert labels to the network's one-hot condition (n, classes); None for an unconditional model.

        A number is a class index. Text is a class name; text in a query that is no class name may be an index.
        Raises LabelError.
        """
        spec = self.spec
        if not spec.conditional:
            if labels is not None:
                raise LabelError.at([name], "this model takes no labels", expected="no labels", got=_short(labels))
            return None
        classes: tuple[str, ...] = spec.class_names or ()
        expected = f"one of {', '.join(classes)}"
        if labels is None:
            detail = f"this model is conditional: it needs {name}"
            raise LabelError.at([name], detail, expected=f"{expected}, for all or for each", got="none")
        if len(labels) not in (1, n):
            detail = f"{name} must be one for all, or one for each of {n}"
            raise LabelError.at([name], detail, expected=f"1 or {n} labels", got=f"{len(labels)}")
        indices = [
            self._class_index(label, classes, [name, place] if len(labels) > 1 else [name])
            for place, label in enumerate(labels)
        ]
        return np.eye(len(classes), dtype=np.float32)[indices * (n if len(indices) == 1 else 1)]

    def _class_index(self, label: Label, classes: tuple[str, ...], loc: list[str | int]) -> int:
        if isinstance(label, str) and label in classes:
            return classes.index(label)
        if isinstance(label, str):
            index = int(label) if loc[0] in self.in_query and _SMALL_NUMBER.fullmatch(label) else -1
        else:
            index = label
        if not 0 <= index < len(classes):
            label = label[:MAX_NAME] if isinstance(label, str) else label
            detail = f"unknown label {label!r}"[:120]
            expected = f"one of {', '.join(classes)}, or 0 to {len(classes) - 1}"
            raise LabelError.at(loc, detail, expected=expected, got=repr(label)[:60])
        return index

    # -- limits --------------------------------------------------------------------------------------------

    def limit_items(self, n: int, name: str) -> None:
        """Raise TooManyItems where n is over LATENT_MAX_ITEMS, InvalidValue where n is 0."""
        if n > self.settings.max_items:
            raise TooManyItems.at(
                [name], f"{n} items are too many", expected=f"at most {self.settings.max_items}", got=str(n)
            )
        if n == 0:
            raise InvalidValue.at([name], f"{name} is empty", expected="at least one item", got="none")

    def limit_output(self, items: int, options: PictureOptions | None = None) -> None:
        """Reserve memory for the output of `items` items, or their picture.

        Raises AnswerTooLarge where it is over LATENT_MAX_OUTPUT_BYTES, MemoryFull where other requests hold too much.
        """
        elements = items * self.model.item_numbers
        size = max(4 * elements, elements * options.scale**2 if options is not None else 0)
        if size > self.settings.max_output_bytes:
            raise AnswerTooLarge.at(
                [],
                "the answer would be too large",
                expected=f"at most {self.settings.max_output_bytes} bytes",
                got=f"{size} bytes",
            )
        self.reserve(size)

    # -- outputs -------------------------------------------------------------------------------------------

    async def to_user(self, outputs: NDArray[Any]) -> Float32:
        """Convert the decoder's output for the user: clipped to the value range, or in the table's units.

        Raises Overflow where a number in the table's units is too large for float32.
        """
        return await self.compute(lambda: self._to_user(outputs), len(outputs))

    async def compute(self, function: Callable[[], Float32], items: int) -> Float32:
        """Compute something for so many items: in a thread where it would hold up the event loop."""
        if items * self.model.item_numbers <= _INLINE_NUMBERS:
            return function()
        return await self.pools.rendering.run(lambda _: function(), self.clock.deadline)

    def _to_user(self, outputs: NDArray[Any]) -> Float32:
        with np.errstate(over="ignore"):
            answer = output_to_user(outputs, self.spec)
        if isinstance(self.spec, VectorInput):
            require_finite(answer, "outputs", outputs)
        return answer

    def images(self, outputs: NDArray[Any]) -> Draw | None:
        """A function that draws uint8 images (n, h, w, c) when called; None where the model has no pictures."""
        return partial(to_uint8, outputs, self.spec) if isinstance(self.spec, ImageInput) else None


def drawn(seed: int | None) -> int:
    """The given seed, or a random one: an integer in [0, 2⁵³)."""
    return seed if seed is not None else secrets.randbelow(2**53)


def _either(expected: str, got: str) -> ServiceError:
    return InvalidValue.at(
        ["inputs"], f"the request must have {expected}", expected=f"exactly one: {expected}", got=got
    )


def _short(labels: Sequence[Label]) -> str:
    return ", ".join(map(str, labels[:3]))[:60] + (" …" if len(labels) > 3 else "")
