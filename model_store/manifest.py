"""The manifest: everything about a version that the service, a client or a person needs to know.

`manifest.json` is this model, serialised. Its schema is versioned: a newer schema is refused by name, an older
one is migrated step by step (`model_store.migrations`).
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from model_store import limits
from model_store.errors import ManifestUnreadable, SchemaTooNew, UnsafePath
from model_store.limits import Integer, LongText, NameText
from model_store.migrations import MIGRATIONS

SCHEMA_VERSION = 1
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"

ValueRange = tuple[FiniteFloat, FiniteFloat]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Length = Annotated[int, Field(gt=0, le=limits.ITEM_NUMBERS)]


def _bounded(shape: tuple[int, ...]) -> tuple[int, ...]:
    numbers = math.prod(shape)
    if numbers > limits.ITEM_NUMBERS:
        raise ValueError(f"an item of {numbers} numbers is too large; at most {limits.ITEM_NUMBERS} are allowed")
    return shape


class Part(BaseModel):
    """Base of the manifest's parts: frozen; unknown fields and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ImagePreprocess(Part):
    """How a picture becomes the model's input; `model_store.preprocess` applies it."""

    version: Literal[1] = 1
    mode: Literal["L", "RGB"] = "L"
    size: tuple[Length, Length] = Field(description="(height, width) in pixels")
    background: tuple[Integer, Integer, Integer] = Field(
        (0, 0, 0), description="RGB 0…255, under alpha and around `contain`"
    )
    fit: Literal["contain", "cover", "stretch"] = "contain"
    resample: Literal["bicubic"] = "bicubic"


class Standardisation(Part):
    """Scaling of a table's columns: network = (table - mean) / deviation. A constant column has deviation 1."""

    version: Literal[1] = 1
    columns: tuple[NameText, ...] | None = Field(None, description="names, where the table has them")
    mean: tuple[FiniteFloat, ...]
    deviation: tuple[Annotated[FiniteFloat, Field(gt=0)], ...]

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.mean) != len(self.deviation) or len(self.columns or self.mean) != len(self.mean):
            raise ValueError("columns, mean and deviation must have the same length")
        return self


class _Input(Part):
    value_range: ValueRange | None = Field(
        None, description="lowest and highest value of inputs and outputs; null where unbounded"
    )
    class_names: Annotated[tuple[NameText, ...], Field(max_length=limits.CLASSES)] | None = Field(
        None, description="names of the labels 0, 1, 2 …, where known"
    )
    conditional: bool = Field(default=False, description="whether encoder and decoder take labels")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.conditional and not self.class_names:
            raise ValueError("a conditional model needs class_names")
        if self.value_range is not None and self.value_range[0] >= self.value_range[1]:
            raise ValueError("value_range must be (low, high) with low < high")
        return self


class ImageInput(_Input):
    """Images (height, width, channels), float32 in `value_range`."""

    kind: Literal["image"] = "image"
    shape: Annotated[tuple[Length, Length, Literal[1, 3]], AfterValidator(_bounded)]
    value_range: ValueRange = (0.0, 1.0)
    preprocess: ImagePreprocess

    @model_validator(mode="after")
    def _matches_preprocess(self) -> Self:
        if self.shape != (*self.preprocess.size, 1 if self.preprocess.mode == "L" else 3):
            raise ValueError("shape must be preprocess.size plus the channels of preprocess.mode")
        return self


class VectorInput(_Input):
    """Vectors (features,), in the user's own units; `preprocess` brings them to the network's."""

    kind: Literal["vector"] = "vector"
    shape: tuple[Length]
    preprocess: Standardisation | None = None

    @model_validator(mode="after")
    def _matches_preprocess(self) -> Self:
        if self.preprocess is None:
            return self
        if len(self.preprocess.mean) != self.shape[0]:
            raise ValueError("preprocess must have one mean and deviation a feature")
        if self.value_range is not None:
            raise ValueError("standardised columns have no common value_range")
        return self


class SequenceInput(_Input):
    """Sequences (steps, features)."""

    kind: Literal["sequence"] = "sequence"
    shape: Annotated[tuple[Length, Length], AfterValidator(_bounded)]
    preprocess: None = None


InputSpec = Annotated[ImageInput | VectorInput | SequenceInput, Field(discriminator="kind")]


class LatentSpec(Part):
    """The code: its length, and whether the encoder answers a Gaussian or a point."""

    dim: Annotated[int, Field(gt=0, le=limits.LATENT_DIM)]
    distribution: Literal["gaussian", "deterministic"]


class Likelihood(Part):
    """p(x | z): what `nll` means. `sigma` is a Gaussian's standard deviation in the network's units."""

    kind: Literal["bernoulli", "continuous_bernoulli", "gaussian"]
    sigma: Annotated[FiniteFloat, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _sigma_where_gaussian(self) -> Self:
        if (self.kind == "gaussian") != (self.sigma is not None):
            raise ValueError("sigma belongs to the gaussian likelihood, and to it alone")
        return self


class AnomalySpec(Part):
    """Quantiles of the per-item reconstruction error (mse) on held-out items, and the default threshold."""

    levels: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        max_length=limits.ENTRIES, description="ascending, from 0 to 1"
    )
    quantiles: tuple[FiniteFloat, ...]
    threshold: FiniteFloat
    threshold_level: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if len(self.levels) != len(self.quantiles) or len(self.levels) < 2:
            raise ValueError("levels and quantiles must have the same length, at least 2")
        if (self.levels[0], self.levels[-1]) != (0.0, 1.0):
            raise ValueError("levels must run from 0 to 1")
        for values in (self.levels, self.quantiles):
            if any(a > b for a, b in pairwise(values)):
                raise ValueError("levels and quantiles must be ascending")
        return self


class Dataset(Part):
    """What the version was trained on."""

    name: NameText
    licence: NameText
    sha256: Sha256 = Field(description="of the arrays as read, before any split")
    train_items: Integer
    validation_items: Integer
    test_items: Integer


class Tolerance(Part):
    """How closely an engine must reproduce the recorded outputs: |got - recorded| <= atol + rtol * |recorded|.

    That of a manifest has an upper limit, which depends on the goldens: `model_store.golden.check_tolerance`.
    """

    rtol: Annotated[FiniteFloat, Field(ge=0)] = 1e-4
    atol: Annotated[FiniteFloat, Field(ge=0)] = 1e-5


class FileDigest(Part):
    """Size and SHA-256 of one file of the version."""

    size: Annotated[int, Field(ge=0, le=limits.FILE_BYTES)]
    sha256: Sha256


class ManifestBody(Part):
    """The manifest's fields that a trainer sets; publishing adds name, number, time and checksums."""

    family: NameText = Field(description="for people: convolutional-vae, dense-ae, linear-ae …")
    intended_use: LongText
    input: InputSpec
    latent: LatentSpec
    likelihood: Likelihood
    metrics: dict[NameText, FiniteFloat] = Field(
        max_length=limits.ENTRIES, description="on held-out items; pca_… is PCA of the same dimension"
    )
    anomaly: AnomalySpec
    recipe: dict[str, Any] = Field(description="the recipe as it ran")
    seed: Integer
    libraries: dict[NameText, NameText] = Field(
        max_length=limits.ENTRIES, description="versions of what the trainer used"
    )
    dataset: Dataset
    engines: tuple[NameText, ...] = Field(
        max_length=limits.ENTRIES, description="engines that reproduced the goldens at export"
    )
    tolerance: Tolerance = Tolerance()

    @field_validator("recipe")
    @classmethod
    def _limited(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        limits.check_document(recipe)
        return recipe


class Manifest(ManifestBody):
    """One published version of one model."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: Annotated[int, Field(gt=0, lt=10**10)]
    created_at: AwareDatetime
    files: dict[str, FileDigest] = Field(
        max_length=limits.FILES, description="every file but the manifest and its digest"
    )

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, FileDigest]) -> dict[str, FileDigest]:
        for path in files:
            require_inside(path)
        return files

    @property
    def digest(self) -> str:
        """SHA-256 of manifest.json, which identifies the whole version. Raises ManifestUnreadable as `to_json`.

        Of a manifest that was migrated, it is that of the document as this release writes it.
        """
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """Serialise to the bytes of manifest.json. Raises ManifestUnreadable if JSON cannot hold the recipe."""
        try:
            document = self.model_dump(mode="json")
            data = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        except ValueError as error:
            raise ManifestUnreadable(f"the manifest cannot be written as JSON ({error})") from error
        if len(data) > limits.MANIFEST_BYTES:
            raise ManifestUnreadable(
                f"the manifest has {len(data)} bytes as JSON; at most {limits.MANIFEST_BYTES} are read"
            )
        return data


def require_inside(path: str) -> None:
    """Raise UnsafePath unless `path` is a plain relative path that stays inside the version.

    Refused are absolute paths, `..`, `.`, empty parts, backslashes, drive letters, control characters, and paths that
    are too long.
    """
    if len(path) > limits.PATH_CHARACTERS:
        raise UnsafePath(f"manifest.json lists a path of {len(path)} characters; at most {limits.PATH_CHARACTERS}")
    pure = PurePosixPath(path)
    plain = path == str(pure) and path not in ("", ".") and not pure.is_absolute()
    if not plain or ".." in pure.parts or any(c in path for c in "\\:") or not path.isprintable():
        raise UnsafePath(f"manifest.json lists {path!r}, which is no plain path inside the version")


def parse_manifest(data: bytes) -> Manifest:
    """Read manifest.json, migrating older schemas.

    Raises SchemaTooNew, UnsafePath, or ManifestUnreadable with the first field that is wrong.
    """
    try:
        document = json.loads(data)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ManifestUnreadable(f"manifest.json is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ManifestUnreadable("manifest.json is not a JSON object")
    schema = document.get("schema_version")
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise ManifestUnreadable("manifest.json has no integer schema_version")
    if schema > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"manifest.json has schema_version {schema}; this release reads up to {SCHEMA_VERSION}: upgrade latent"
        )
    while schema < SCHEMA_VERSION:
        if schema not in MIGRATIONS:
            raise ManifestUnreadable(f"manifest.json has schema_version {schema}, which was never published")
        document = MIGRATIONS[schema](document)
        schema += 1
    try:
        return Manifest.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ManifestUnreadable(f"manifest.json: {first_wrong(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ManifestUnreadable(f"manifest.json is not JSON ({error})") from error


def first_wrong(error: ValidationError) -> str:
    """The first field that is wrong, and why: `latent.dim: Input should be greater than 0`."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:64] for part in first["loc"]) or "manifest"
    return f"{where}: {first['msg']}"


def utc_now() -> datetime:
    """Return the present time in UTC, to the second, for `created_at`."""
    return datetime.now(UTC).replace(microsecond=0)
