"""Bodies and replies as the OpenAPI document describes them.

Requests are not parsed through these: arrays go straight into numpy (`service.wire`), options through
`service.verbs.options`, from which the bodies here inherit.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from service.errors import every_problem
from service.verbs.options import DecodeOptions, EncodeOptions, InterpolateOptions, ReconstructOptions, SampleOptions

Items = Annotated[
    list[Any],
    WithJsonSchema({"type": "array", "items": {}, "title": "Items"}),
    Field(description="A batch: images (n, h, w, c), vectors (n, features) or sequences (n, steps, features)."),
]
Codes = Annotated[list[list[float]], Field(description="A batch of codes (n, latent_dim).")]
PerItem = Annotated[list[float], Field(description="One number an item (n,).")]
Base64Images = Annotated[
    list[str], Field(description="PNG, JPEG or WebP in base64, with or without a `data:` prefix; in place of `inputs`.")
]


# -- bodies ------------------------------------------------------------------------------------------------


class EncodeBody(EncodeOptions):
    """Exactly one of `inputs` and `images`."""

    inputs: Items | None = None
    images: Base64Images | None = None


class DecodeBody(DecodeOptions):
    """Codes to decode."""

    z: Codes


class ReconstructBody(ReconstructOptions):
    """Exactly one of `inputs` and `images`."""

    inputs: Items | None = None
    images: Base64Images | None = None


class InterpolateBody(InterpolateOptions):
    """Two or more waypoints: exactly one of `z`, `inputs` and `images`."""

    z: Codes | None = None
    inputs: Items | None = None
    images: Base64Images | None = None


class SampleBody(SampleOptions):
    """All options have defaults."""


# -- replies -----------------------------------------------------------------------------------------------


class Reply(BaseModel):
    """Every reply names the version that gave it."""

    model: str = Field(description="NAME@VERSION")


class EncodeReply(Reply):
    """Codes of the items."""

    z: Codes
    z_mean: Codes
    z_log_var: Codes | None = Field(description="Natural log of the variance; null for deterministic codes.")
    seed: int | None = Field(None, description="Only where `sample` was set.")


def _outputs_or_images(schema: dict[str, Any]) -> None:
    """Say in a schema that an answer has one of both, and which may be left out."""
    schema["required"].remove("outputs")
    schema["oneOf"] = [{"required": ["outputs"]}, {"required": ["images"]}]
    images = schema["properties"]["images"]
    images |= {"type": "array", "items": {"type": "string"}}
    del images["anyOf"], images["default"]


class DecodeReply(Reply):
    """Items of the codes."""

    model_config = ConfigDict(json_schema_extra=_outputs_or_images)

    outputs: Items
    images: list[str] | None = Field(None, description="Base64 PNGs in place of `outputs`, with `as=png`.")


class MetricsReply(BaseModel):
    """Per item, at z_mean, in the network's units; nll, kl and elbo in nats."""

    mse: PerItem
    nll: PerItem
    kl: PerItem | None
    elbo: PerItem | None


class AnomalyReply(BaseModel):
    """Per item, against the held-out items of the version."""

    score: PerItem
    percentile: PerItem
    is_anomaly: list[bool]
    threshold: float


class ReconstructReply(DecodeReply):
    """Reconstructions and how far they are from the items."""

    z: Codes
    metrics: MetricsReply
    anomaly: AnomalyReply
    error_map: Items | None = Field(None, description="Squared error of every element, with `error_map`.")


class InterpolateReply(DecodeReply):
    """(w - 1)(steps - 1) + 1 items from waypoint to waypoint."""

    t: list[float] = Field(description="From 0 to w - 1.")
    z: Codes | None = Field(description="Null in data space.")


class SampleReply(DecodeReply):
    """Samples and the codes they were decoded from."""

    seed: int
    prior: Literal["standard", "fitted"]
    z: Codes


class ManifoldReply(DecodeReply):
    """A grid of decoded codes, row by row; the first of `dims` runs to the right, the second upwards."""

    dims: list[int]
    spacing: Literal["quantile", "linear"]
    values: list[list[float]] = Field(description="Places along each of `dims`.")
    columns: int
    z: Codes


class ProjectionReply(BaseModel):
    """From any code to the map: coordinates = matrix · z + offset."""

    matrix: list[list[float]] = Field(description="(2, latent_dim)")
    offset: list[float] = Field(description="(2)")


class MixtureReply(BaseModel):
    """The prior that was fitted to the training codes: k Gaussians."""

    weights: list[float] = Field(description="(k)")
    means: list[list[float]] = Field(description="(k, latent_dim)")
    covariances: list[list[list[float]]] = Field(description="(k, latent_dim, latent_dim)")


class SpriteReply(BaseModel):
    """The PNG answer of the same URL: every item's picture, row by row without gaps."""

    columns: int = Field(description="Pictures in a row: the square root of `items`, rounded up.")
    rows: int
    width: int = Field(description="Of one picture, in pixels.")
    height: int = Field(description="Of one picture, in pixels.")
    items: int


class MapReply(Reply):
    """Held-out items of a version, and where their codes lie."""

    items: int
    codes: Codes
    coordinates: list[list[float]] = Field(description="Where each item is drawn (n, 2).")
    labels: list[int] | None = Field(description="Class index of each item (n); null where unknown.")
    class_names: list[str] | None = Field(description="Names of the classes 0, 1, 2 …; null where unknown.")
    inputs: Items | None = Field(None, description="The items of a vector or sequence model, unless `inputs=false`.")
    projection: ProjectionReply
    prior: MixtureReply
    sprite: SpriteReply | None = Field(description="Null where the model has no pictures.")


class VersionSummary(BaseModel):
    """One version in the list of models."""

    version: int
    state: Literal["available", "loading", "ready", "failed"]
    reason: str | None
    engine: str | None
    aliases: list[str] = Field(description="Aliases that mean this version now.")
    family: str | None
    created_at: str | None
    memory_bytes: int | None = Field(description="What it occupies; null while it is not loaded.")


class ModelSummary(BaseModel):
    """One model in the list of models."""

    name: str
    default: bool
    serves: int | None = Field(description="The version that the bare name means now; null before one is loaded.")
    reason: str | None = Field(
        description="Why the model cannot be read, or a name does not mean what the store says; null where all is well."
    )
    versions: list[VersionSummary]


class ModelsReply(BaseModel):
    """Every model of the store."""

    models: list[ModelSummary]
    store: list[str] = Field(
        description="What is wrong with reading the store now, in sentences; what is listed was then seen earlier."
    )


class VersionReply(VersionSummary):
    """Everything about one version."""

    name: str
    default: bool
    versions: list[int]
    manifest: dict[str, Any] | None = Field(description="The manifest; null where it cannot be read.")
    links: dict[str, Any] = Field(description="Paths of this version and of its report's figures.")


class ReadyReply(BaseModel):
    """The process can answer."""

    status: Literal["ready"]
    store: list[str] | None = Field(
        None, description="What is wrong with reading the store; left out where nothing is. What is loaded is served."
    )


class LiveReply(BaseModel):
    """The process is alive."""

    status: Literal["alive"]


class FieldProblem(BaseModel):
    """One value that does not fit."""

    loc: list[str | int]
    expected: str
    got: str


ProblemType = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [f"/problems/{kind.slug}" for kind in every_problem()]})
]


class Problem(BaseModel):
    """RFC 9457."""

    type: ProblemType
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldProblem] | None = None
