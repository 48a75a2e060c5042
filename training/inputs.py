"""Preparing a data set for the network: the input's specification, the splits and the arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model_store.arrays import Float32, UInt8
from model_store.manifest import Dataset as DatasetRecord
from model_store.manifest import ImageInput, ImagePreprocess, SequenceInput, Standardisation, VectorInput
from model_store.preprocess import fit_image, from_uint8, table_to_input
from training.config import TrainConfig
from training.data.dataset import NOT_STATED, Dataset, Labels
from training.data.splits import Indices, split
from training.errors import BadSetting, DataError

_COMPARED = 1024
"""Items compared at a time: most data sets show a difference in the first block."""
_BINARISE_SEED = 0  # of its own: another training seed must not measure on other items


@dataclass(frozen=True)
class Split:
    """The n items of one split."""

    inputs: UInt8 | Float32
    """As a user has them: uint8 (n, h, w, c), or float32 (n, f) or (n, steps, f) in their own units."""
    x: Float32
    """As the network takes them: (n, *shape); of a binarised recipe validation and test hold 0 and 1, training too
    where it is binarised once."""
    labels: Labels | None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Prepared:
    """Data of a run, ready for the network: splits, the input's specification, and the manifest's record."""

    spec: ImageInput | VectorInput | SequenceInput
    train: Split
    validation: Split
    test: Split
    record: DatasetRecord
    curve: Float32 | None = None
    """Points (m, f) along the items' curve, in the table's units, if that is known."""

    @property
    def is_image(self) -> bool:
        """Whether the items are pictures."""
        return isinstance(self.spec, ImageInput)

    @property
    def classes(self) -> int:
        """How many classes the labels tell apart."""
        return len(self.spec.class_names or ())

    def served_x(self, inputs: UInt8 | Float32) -> Float32:
        """Convert items (n, …) in the user's form to the network's input as the service does: (n, *shape)."""
        return _to_network(inputs, self.spec)


def prepare(dataset: Dataset, config: TrainConfig) -> Prepared:
    """Split a data set and scale it; tables are standardised by their training split.

    Raises DataError or BadSetting where recipe and data do not fit together.
    """
    _require_fitting(dataset, config)
    sha256 = dataset.sha256()
    splits = split(len(dataset), dataset.official_test, config.data.train_every)
    _require_variety(dataset)
    spec: ImageInput | VectorInput | SequenceInput
    if config.input.kind == "sequence":
        sequences = _sequences(dataset, config)
        inputs: UInt8 | Float32 = sequences
        spec = _sequence_spec(dataset, sequences, config)
    elif dataset.inputs.ndim == 4:
        spec = _image_spec(dataset, config)
        inputs = _to_size(np.asarray(dataset.inputs, np.uint8), spec)
    else:
        inputs = np.asarray(dataset.inputs, np.float32)
        spec = _vector_spec(dataset, inputs[splits.train], config)

    _require_consistent(config, spec)

    def part(indices: Indices, *, draw: int | None) -> Split:
        own = inputs[indices]
        x = _to_network(own, spec)
        if draw is not None and config.data.binarise != "no":
            x = (np.random.default_rng((_BINARISE_SEED, draw)).uniform(size=x.shape) < x).astype(np.float32)
        return Split(own, x, None if dataset.labels is None else dataset.labels[indices])

    record = DatasetRecord(
        name=dataset.name,
        licence=config.data.licence or dataset.licence or NOT_STATED,
        sha256=sha256,
        train_items=len(splits.train),
        validation_items=len(splits.validation),
        test_items=len(splits.test),
    )
    return Prepared(
        spec,
        part(splits.train, draw=2 if config.data.binarise == "once" else None),
        part(splits.validation, draw=0),
        part(splits.test, draw=1),
        record,
        dataset.curve,
    )


def _require_fitting(dataset: Dataset, config: TrainConfig) -> None:
    shape = dataset.inputs.shape[1:]
    if config.input.kind == "sequence" and len(shape) == 3:
        shape = (shape[0], shape[1] * shape[2])
    reason = config.model.refuses(shape, config.latent)
    if reason is not None:
        raise DataError(f"{config.recipe} cannot train on {dataset.name}: {reason}; try the recipe mnist-vae-mlp")
    if config.input.conditional and dataset.labels is None:
        raise DataError(
            f"{config.recipe} is conditional and needs labels, which {dataset.name} has not; set data.label to the"
            " column that holds them, or input.conditional=false"
        )


def _require_variety(dataset: Dataset) -> None:
    """Raise if all items are equal; single values may be equal in all items, like the borders of digits."""
    items = dataset.inputs
    if not any(np.any(items[i : i + _COMPARED] != items[0]) for i in range(0, len(items), _COMPARED)):
        raise DataError(f"all {len(items)} items of {dataset.name} are the same: there is nothing to learn from them")


def _require_consistent(config: TrainConfig, spec: ImageInput | VectorInput | SequenceInput) -> None:
    values, bounded = math.prod(spec.shape), spec.value_range is not None
    # A Gaussian code may: the kl switches off what it does not need.
    if config.latent.distribution == "deterministic" and config.latent.dim > values:
        raise BadSetting(f"latent.dim is {config.latent.dim}, but an item has {values} values")
    if config.data.binarise != "no" and (not bounded or config.likelihood.kind in ("gaussian", "continuous_bernoulli")):
        raise BadSetting("data.binarise needs values in [0, 1] and likelihood.kind=bernoulli")
    if config.likelihood.sigma != "optimal" and config.likelihood.kind == "auto" and bounded:
        raise BadSetting("likelihood.sigma on images needs likelihood.kind=gaussian")
    if isinstance(spec, ImageInput):
        return
    if config.augment.active:
        raise BadSetting(f"augment is for images, but the data are {spec.kind}s")
    if config.objective.samples > 1 and not bounded and config.likelihood.sigma == "optimal":
        raise BadSetting("objective.samples needs a likelihood.sigma that is set or learned")


def _to_network(inputs: UInt8 | Float32, spec: ImageInput | VectorInput | SequenceInput) -> Float32:
    if isinstance(spec, ImageInput):
        return from_uint8(np.asarray(inputs, np.uint8), spec)
    return table_to_input(inputs, spec) if isinstance(spec, VectorInput) else np.asarray(inputs, np.float32)


def _sequences(dataset: Dataset, config: TrainConfig) -> Float32:
    """Convert images to sequences, a row a step, in [0, 1]; sequences stay unchanged."""
    items = dataset.inputs
    if items.ndim == 4:
        spec = _image_spec(dataset, config)
        images = from_uint8(_to_size(np.asarray(items, np.uint8), spec), spec)
        return images.reshape(*images.shape[:2], -1)
    if items.ndim != 3:
        raise BadSetting(f"input.kind is sequence, but {dataset.name} holds vectors")
    if config.input.size is not None or config.input.colour != "auto":
        raise BadSetting(f"input.size and input.colour are for images, but {dataset.name} holds sequences")
    if config.input.standardise:
        raise BadSetting(f"input.standardise is for tables, but {dataset.name} holds sequences")
    return np.asarray(items, np.float32)


def _sequence_spec(dataset: Dataset, items: Float32, config: TrainConfig) -> SequenceInput:
    from_images = dataset.inputs.ndim == 4
    if "bernoulli" in config.likelihood.kind and not from_images and (items.min() < 0 or items.max() > 1):
        raise BadSetting(f"likelihood.kind={config.likelihood.kind} needs values in [0, 1]")
    bounded = from_images or "bernoulli" in config.likelihood.kind
    return SequenceInput(
        shape=items.shape[1:],
        class_names=dataset.class_names,
        value_range=(0.0, 1.0) if bounded else None,
        conditional=config.input.conditional,
    )


def _image_spec(dataset: Dataset, config: TrainConfig) -> ImageInput:
    height, width, channels = dataset.inputs.shape[1:]
    options = config.input
    if options.kind == "vector":
        raise BadSetting(f"input.kind is {options.kind}, but {dataset.name} holds images")
    colour = {"auto": channels, "grey": 1, "rgb": 3}[options.colour]
    size = options.size or (height, width)
    preprocess = ImagePreprocess(mode="L" if colour == 1 else "RGB", size=size, fit=options.fit)
    return ImageInput(
        shape=(*size, 1 if colour == 1 else 3),
        class_names=dataset.class_names,
        conditional=options.conditional,
        preprocess=preprocess,
    )


def _to_size(images: UInt8, spec: ImageInput) -> UInt8:
    """Fit arrays of images to another size or colour mode, by the code for picture files."""
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
    standardise = not dataset.one_unit if options.standardise is None else options.standardise
    if "bernoulli" in config.likelihood.kind:
        if standardise or dataset.inputs.min() < 0 or dataset.inputs.max() > 1:
            raise BadSetting(
                f"likelihood.kind={config.likelihood.kind} needs values in [0, 1] and input.standardise=false"
            )
        return VectorInput(
            shape=(count,),
            class_names=dataset.class_names,
            conditional=options.conditional,
            value_range=(0.0, 1.0),
        )
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
    return VectorInput(
        shape=(count,),
        class_names=dataset.class_names,
        conditional=options.conditional,
        preprocess=preprocess,
    )
