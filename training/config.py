"""Every knob of a run: frozen, validated, the same names in recipes, in `--set` and in the manifest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from training.builders import ModelConfig
from training.sections import LatentConfig, Section

Share = Annotated[float, Field(ge=0, le=1)]


def _read_size(value: object) -> tuple[object, ...]:
    """28 -> (28, 28); "32x48" -> (32, 48); a pair stays one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", value)):
        return (int(match[1]), int(match[2]))
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(value)
    raise ValueError('expected pixels such as 28, "32x48" or [32, 48] (height, width)')


Size = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_read_size)]


class DataConfig(Section):
    """Where the items come from."""

    source: str = Field("mnist-5k", description="mnist-5k, mnist, fashion-mnist, sine, or a path")
    dir: Path | None = Field(None, description="where mnist/ and fashion-mnist/ are looked for before a download")
    label: str | int | None = Field(None, description="column that holds the label: its name, or its number from 0")
    licence: str | None = Field(None, description="licence of the data, as the manifest will say it")


class InputConfig(Section):
    """How items become the network's input."""

    kind: Literal["auto", "image", "vector", "sequence"] = Field("auto", description="auto: by the arrays' rank")
    size: Size | None = Field(None, description="height and width in pixels; unset: the pictures' own, or 32 x 32")
    colour: Literal["auto", "grey", "rgb"] = Field("auto", description="auto: grey where every picture is")
    fit: Literal["contain", "cover", "stretch"] = Field("contain", description="how a picture is brought to size")
    standardise: bool | None = Field(
        None, description="bring each column of a table to mean 0 and deviation 1; unset: unless they share one unit"
    )


class LikelihoodConfig(Section):
    """p(x | z), and with it the unit of the reconstruction error."""

    kind: Literal["auto", "bernoulli", "gaussian"] = Field(
        "auto", description="auto: bernoulli for images in [0, 1], gaussian for vectors"
    )
    sigma: Literal["optimal"] | PositiveFloat = Field(
        "optimal",
        description="of the gaussian; optimal: sqrt(mse), Rybkin et al. 2021, arXiv:2006.13202"
        " (for a deterministic code that of the validation split, found after training on the squared error)",
    )


class ObjectiveConfig(Section):
    """loss = nll + beta · kl; only Gaussian codes have a kl."""

    beta: NonNegativeFloat = Field(1.0, description="weight of the kl; 1 makes the loss the negative ELBO")
    kl_warmup: Share = Field(0.0, description="share of the epochs over which beta rises linearly from 0")
    free_bits: NonNegativeFloat = Field(
        0.0, description="nats of kl a dimension has for nothing, Kingma et al. 2016, arXiv:1606.04934"
    )


class AugmentConfig(Section):
    """Random changes of every training image at every look, each drawn evenly from plus or minus its bound."""

    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Annotated[float, Field(ge=0, le=0.5, description="share of the side")] = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1, description="share of the size")] = 0.0

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return max(self.rotate_deg, self.shift, self.zoom) > 0


class OptimizerConfig(Section):
    """Adam (Kingma & Ba 2015), the rate warmed up linearly, then following half a cosine down to 0."""

    learning_rate: PositiveFloat = Field(1e-3, description="at its peak")
    warmup: Share = Field(0.05, description="share of the steps over which the rate rises")


class TrainingConfig(Section):
    """The length of a run."""

    epochs: PositiveInt = 50
    batch_size: PositiveInt = 100
    min_epoch_steps: PositiveInt = Field(
        40, description="least optimizer steps in an epoch: a small data set is gone through several times"
    )
    patience: NonNegativeInt = Field(
        20,
        description="epochs without a better validation loss before stopping; the best epoch's weights are kept."
        " 0: train to the end and keep the last",
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class PublishedConfig(Section):
    """The figure that a recipe is measured against, and the settings it was published with. No run depends on it.

    `metric` is one of the report's figures on the test images (bce: mean per pixel, nats; noisy_bce: noisy in, clean
    out; elbo and nll: nats per item; nll_is: by importance samples; knn_accuracy: share) or of a curve
    (principal_angle_deg, rms_to_curve, spearman, train_to_test_mse: the ratio).
    """

    metric: Literal[
        "bce",
        "noisy_bce",
        "elbo",
        "nll_is",
        "mse",
        "knn_accuracy",
        "label_accuracy",
        "principal_angle_deg",
        "rms_to_curve",
        "spearman",
        "train_to_test_mse",
    ]
    value: float | None = Field(None, description="null where the source gives no figure of its own")
    better: Literal["lower", "higher"] = "lower"
    epochs: PositiveInt | None = Field(None, description="of the source, as are the next three")
    batch_size: PositiveInt | None = None
    optimizer: Literal["adam", "rmsprop", "adadelta"] | None = None
    learning_rate: PositiveFloat | None = Field(None, description="null: Keras' default of that optimizer")
    source: str = Field(description="one sentence")


class TrainConfig(Section):
    """A recipe with everything that was set on it."""

    recipe: str = Field(description="the recipe's name")
    intended_use: str = Field(description="one sentence for the manifest")
    published: PublishedConfig | None = Field(None, description="the figure to reach, where there is one")
    data: DataConfig = DataConfig()
    input: InputConfig = InputConfig()
    model: ModelConfig
    latent: LatentConfig
    likelihood: LikelihoodConfig = LikelihoodConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _no_idle_knobs(self) -> Self:
        if self.latent.distribution == "deterministic" and self.objective != ObjectiveConfig():
            raise ValueError("objective: a deterministic code has no kl to weigh")
        if self.likelihood.kind == "bernoulli" and self.likelihood.sigma != "optimal":
            raise ValueError("likelihood.sigma: belongs to the gaussian likelihood")
        return self
