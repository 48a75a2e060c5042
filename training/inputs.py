"""From a data set to what the network takes: the input's specification, the splits, the arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from model_store.manifest import Dataset as DatasetRecord
from model_store.manifest import ImageInput, ImagePreprocess, Standardisation, VectorInput
from model_store.preprocess import fit_image, from_uint8, table_to_input
from training.config import TrainConfig
from training.data.dataset import NOT_STATED, Dataset, Float32, Labels, UInt8
from training.data.splits import Indices, split
from training.errors import BadSetting, DataError


@dataclass(frozen=True)
class Split:
    """The n items of one split."""

    inputs: UInt8 | Float32
    """As a user has them: uint8 (n, h, w, c), or float32 (n, f) in the table's units."""
    x: Float32
    """As the network takes them: (n, *shape)."""
    labels: Labels | None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs to know of its data."""

    spec: ImageInput | VectorInput
    train: Split
    validation: Split
    test: Split
    record: DatasetRecord
    curve: Float32 | None = None
    """Points (m, f) along the curve that the items lie on, in the table's units, where it is known."""

    @property
    def is_image(self) -> bool:
        """Whether the items are pictures."""
        return isinstance(self.spec, ImageInput)


def prepare(dataset: Dataset, config: TrainConfig) -> Prepared:
    """Split and scale; tables are standardised by their training split alone.

    Raises DataError or BadSetting where recipe and data do not fit together.
    """
    _require_fitting(dataset, config)
    sha256 = dataset.sha256()
    splits = split(len(dataset), dataset.official_test)
    spec: ImageInput | VectorInput
    if dataset.inputs.ndim == 4:
        spec = _image_spec(dataset, config)
        inputs: UInt8 | Float32 = _to_size(np.asarray(dataset.inputs, np.uint8), spec)
    else:
        inputs = np.asarray(dataset.inputs, np.float32)
        spec = _vector_spec(dataset, inputs[splits.train], config)

    def part(indices: Indices) -> Split:
        own = inputs[indices]
        x = from_uint8(np.asarray(own, np.uint8), spec) if isinstance(spec, ImageInput) else table_to_input(own, spec)
        return Split(own, x, None if dataset.labels is None else dataset.labels[indices])

    record = DatasetRecord(
        name=dataset.name,
        licence=config.data.licence or dataset.licence or NOT_STATED,
        sha256=sha256,
        train_items=len(splits.train),
        validation_items=len(splits.validation),
        test_items=len(splits.test),
    )
    return Prepared(spec, part(splits.train), part(splits.validation), part(splits.test), record, dataset.curve)


def _require_fitting(dataset: Dataset, config: TrainConfig) -> None:
    reason = config.model.refuses(dataset.inputs.shape[1:])
    if reason is not None:
        raise DataError(f"{config.recipe} cannot train on {dataset.name}: {reason}; try the recipe mnist-vae-mlp")


def _image_spec(dataset: Dataset, config: TrainConfig) -> ImageInput:
    height, width, channels = dataset.inputs.shape[1:]
    options = config.input
    if config.likelihood.kind == "auto" and config.likelihood.sigma != "optimal":
        raise BadSetting("likelihood.sigma on images needs likelihood.kind=gaussian")
    if options.kind not in ("auto", "image"):
        raise BadSetting(f"input.kind is {options.kind}, but {dataset.name} holds images")
    colour = {"auto": channels, "grey": 1, "rgb": 3}[options.colour]
    size = options.size or (height, width)
    preprocess = ImagePreprocess(mode="L" if colour == 1 else "RGB", size=size, fit=options.fit)
    return ImageInput(shape=(*size, 1 if colour == 1 else 3), class_names=dataset.class_names, preprocess=preprocess)


def _to_size(images: UInt8, spec: ImageInput) -> UInt8:
    """Arrays of images at another size or colour go the way of picture files."""
    if images.shape[1:] == spec.shape:
        return images
    pictures = (Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in images)
    return np.stack([fit_image(picture, spec.preprocess) for picture in pictures])


def _vector_spec(dataset: Dataset, train: Float32, config: TrainConfig) -> VectorInput:
    options, count = config.input, train.shape[1]
    if options.kind not in ("auto", "vector"):
        raise BadSetting(f"input.kind is {options.kind}, but {dataset.name} holds vectors")
    if options.size is not None or options.colour != "auto":
        raise BadSetting(f"input.size and input.colour are for images, but {dataset.name} holds vectors")
    if config.augment.active:
        raise BadSetting(f"augment is for images, but {dataset.name} holds vectors")
    standardise = not dataset.one_unit if options.standardise is None else options.standardise
    if config.likelihood.kind == "bernoulli":
        if standardise or dataset.inputs.min() < 0 or dataset.inputs.max() > 1:
            raise BadSetting("likelihood.kind=bernoulli needs values in [0, 1] and input.standardise=false")
        return VectorInput(shape=(count,), class_names=dataset.class_names, value_range=(0.0, 1.0))
    preprocess = None
    if standardise:
        mean = train.mean(axis=0, dtype=np.float64)
        deviation = train.std(axis=0, dtype=np.float64)
        # A constant column must not be blown up by its own rounding noise.
        constant = deviation <= 1e-7 * np.maximum(np.abs(mean), 1.0)
        preprocess = Standardisation(
            columns=dataset.columns,
            mean=tuple(float(m) for m in mean),
            deviation=tuple(float(s) for s in np.where(constant, 1.0, deviation)),
        )
    return VectorInput(shape=(count,), class_names=dataset.class_names, preprocess=preprocess)
