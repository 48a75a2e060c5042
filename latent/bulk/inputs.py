"""Converting a data set's chunks to the network's input, with model_store.preprocess."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latent.datasets import Chunk
from latent.errors import CommandError
from latent_client.bodies import array_of
from latent_client.errors import UnusableInput
from model_store.arrays import Float32
from model_store.errors import InputError, WrongShape
from model_store.manifest import ImageInput, Manifest
from model_store.preprocess import TRAINING_FORMATS, array_to_input, image_to_input, to_float32

Fit = Literal["contain", "cover", "stretch"]

_MAX_PIXELS = 2**27
"""Largest picture, the same as in training: files are the user's own, so the bound is above a server's."""


def items_of(chunk: Chunk, path: Path, manifest: Manifest, fit: Fit | None, *, invert: bool) -> Float32:
    """Convert a chunk to items (n, …) in the network's units. Raises CommandError with the item's place."""
    spec = manifest.input
    if isinstance(chunk.items, list):
        if not isinstance(spec, ImageInput):
            raise CommandError(f"{manifest.name} takes {spec.kind}s, no pictures")
        x = np.empty((len(chunk), *spec.shape), np.float32)
        for at, picture in enumerate(chunk.items):
            x[at] = _picture(picture, spec, fit, invert=invert)
        return x
    values = _numbers(chunk.items, path)
    if values.dtype == np.uint8 and not isinstance(spec, ImageInput):
        raise CommandError(f"{path} holds uint8: {manifest.name} takes {spec.kind}s of floats")
    try:
        return array_to_input(values, spec)
    except InputError as error:
        raise _complaint(error, path, chunk.start) from error


def codes_of(chunk: Chunk, path: Path, manifest: Manifest) -> Float32:
    """Convert a chunk to codes (n, d). Raises CommandError with the position of the first bad value."""
    dim = manifest.latent.dim
    if isinstance(chunk.items, list):
        raise CommandError(f"{path} holds pictures; decode takes codes")
    values = _numbers(chunk.items, path)
    if values.dtype == np.uint8:
        raise CommandError(f"{path} holds uint8: codes are floats")
    if values.ndim != 2 or values.shape[1] != dim:
        raise CommandError(f"{path} holds no codes of {manifest.name} (expected (n, {dim}), got {_shape(values)})")
    try:
        return to_float32(values)
    except InputError as error:
        raise _complaint(error, path, chunk.start) from error


def _numbers(values: NDArray[Any], path: Path) -> NDArray[Any]:
    try:
        return array_of(values)
    except UnusableInput as error:
        raise CommandError(f"{path}: {error}") from error


def _picture(path: Path, spec: ImageInput, fit: Fit | None, *, invert: bool) -> Float32:
    try:
        return image_to_input(
            path.read_bytes(), spec, fit=fit, invert=invert, formats=TRAINING_FORMATS, max_pixels=_MAX_PIXELS
        )
    except InputError as error:
        raise CommandError(f"{path}: {error} (expected {error.expected}, got {error.got})") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error


def _complaint(error: InputError, path: Path, start: int) -> CommandError:
    got = error.got
    if isinstance(error, WrongShape):
        got = f"(n{got[got.index(',') :]}"
    place = ""
    if error.loc:
        item, *rest = error.loc
        place = f" at {[start + int(item), *rest]}"
    return CommandError(f"{path}: {error}{place} (expected {error.expected}, got {got})")


def _shape(values: NDArray[Any]) -> str:
    return f"({', '.join(['n', *map(str, values.shape[1:])])})"
