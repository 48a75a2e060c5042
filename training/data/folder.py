"""A directory of pictures: any size, grey or RGB; sub-folders are labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from model_store.errors import InputError
from model_store.manifest import ImagePreprocess
from model_store.preprocess import TRAINING_FORMATS, fit_image, read_image
from training.config import InputConfig
from training.data.dataset import Dataset, class_labels
from training.errors import DataError

_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
_LARGEST_OWN_SIDE = 64
_COMMON_SIDE = 32
_MAX_PIXELS = 2**27
"""Photographs as cameras take them; the service's limit guards against strangers, these files are the user's own."""
_GREY_MODES = ("1", "L", "LA")


@dataclass(frozen=True)
class _Survey:
    """Sizes and colour modes of all pictures of a directory."""

    sizes: frozenset[tuple[int, int]]
    grey: bool


def load_folder(directory: Path, options: InputConfig) -> Dataset:
    """Read every picture below `directory` and fit it to one size and colour mode, exactly as the service does.

    Where no size is set: the pictures' own if all have the same, at most 64 pixels a side; else 32 × 32. Other
    files, and names that begin with a dot, are passed over. Raises DataError, naming a picture that can't be read.
    """
    paths = [
        path
        for path in sorted(directory.rglob("*"))
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not _is_hidden(path.relative_to(directory))
    ]
    if not paths:
        raise DataError(f"{directory} holds no pictures ({', '.join(sorted(_SUFFIXES))}) and no IDX files")
    preprocess = _preprocess(paths, options)
    images = np.stack([fit_image(_open(path), preprocess) for path in paths])
    folders = [path.relative_to(directory).parts[0] for path in paths if path.parent != directory]
    if not folders:
        return Dataset(name=directory.name, inputs=images)
    if len(folders) != len(paths):
        raise DataError(f"{directory} has pictures beside the sub-folders that are their labels; move them into one")
    labels, class_names = class_labels(folders)
    return Dataset(name=directory.name, inputs=images, labels=labels, class_names=class_names)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _preprocess(paths: list[Path], options: InputConfig) -> ImagePreprocess:
    size, colour = options.size, options.colour
    if size is None or colour == "auto":
        survey = _survey(paths)
        if size is None:
            own, *others = survey.sizes
            size = (_COMMON_SIDE, _COMMON_SIDE) if others or max(own) > _LARGEST_OWN_SIDE else own
        if colour == "auto":
            colour = "grey" if survey.grey else "rgb"
    return ImagePreprocess(mode="L" if colour == "grey" else "RGB", size=size, fit=options.fit)


def _survey(paths: list[Path]) -> _Survey:
    sizes: set[tuple[int, int]] = set()
    grey = True
    for path in paths:
        image = _open(path)
        sizes.add((image.height, image.width))
        grey = grey and _is_grey(image)
    return _Survey(frozenset(sizes), grey)


def _is_grey(image: Image.Image) -> bool:
    if image.mode in _GREY_MODES or image.mode[0] in "IF":
        return True
    red, green, blue = image.convert("RGB").split()
    return not ImageChops.difference(red, green).getbbox() and not ImageChops.difference(green, blue).getbbox()


def _open(path: Path) -> Image.Image:
    try:
        return read_image(path.read_bytes(), formats=TRAINING_FORMATS, max_pixels=_MAX_PIXELS)
    except InputError as error:
        raise DataError(f"{path}: {error} (expected {error.expected}, got {error.got})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
