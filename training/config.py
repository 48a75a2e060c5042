"""Every setting of a run, frozen and validated; recipes, `--set` and the manifest use the same names."""

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
from training.losses import SQUARED_ERROR_SIGMA, LossForm
from training.precision import Precision
from training.sections import LatentConfig, Section

Share = Annotated[float, Field(ge=0, le=1)]


def _read_size(value: object) -> tuple[object, ...]:
    """Read a size: 28 or "28" -> (28, 28); "32x48" or "[32, 48]" -> (32, 48); a pair stays as it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, str) and (match := re.fullmatch(r"\[?\s*(\d+)(?:\s*[x×,]\s*(\d+))?\s*\]?", value.strip())):
        return (int(match[1]), int(match[2] or match[1]))
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(value)
    raise ValueError('expected pixels such as 28, "32x48" or [32, 48] (height, width)')


Side = Annotated[int, Field(ge=1, le=2048)]
Size = Annotated[tuple[Side, Side], BeforeValidator(_read_size)]


class DataConfig(Section):
    """Settings of the data source."""

    source: str = Field("mnist-5k", description="mnist-5k, mnist, fashion-mnist, sine, s-curve, or a path")
    dir: Path | None = Field(None, description="where mnist/ and fashion-mnist/ are looked for before a download")
    label: str | None = Field(None, description="column that holds the label: its name, or its number from 0")
    licence: str | None = Field(None, description="licence of the data, as the manifest will say it")
    train_every: PositiveInt = Field(
        1, description="train on every n-th item of the source alone; the others are held out"
    )
    binarise: Literal["no", "anew", "once"] = Field(
        "no",
        description="make each value 0 or 1, 1 with its grey value as probability: of a training item anew at every"
        " look, or once like those of validation and test. What is served takes grey values as they are",
    )


class InputConfig(Section):
    """Settings of how items become the network's input."""

    kind: Literal["auto", "image", "vector", "sequence"] = Field(
        "auto", description="auto: by the arrays' rank; sequence makes an image's rows the steps of a sequence"
    )
    size: Size | None = Field(None, description="height and width in pixels; unset: the pictures' own, or 32 x 32")
    colour: Literal["auto", "grey", "rgb"] = Field("auto", description="auto: grey where every picture is")
    fit: Literal["contain", "cover", "stretch"] = Field("contain", description="how a picture is brought to size")
    standardise: bool | None = Field(
        None, description="bring each column of a table to mean 0 and deviation 1; unset: unless they share one unit"
    )
    conditional: bool = Field(default=False, description="the label goes into both halves, beside item and code")


class LikelihoodConfig(Section):
    """Settings of the likelihood p(x | z), which decides the unit of the reconstruction error."""

    kind: Literal["auto", "bernoulli", "continuous_bernoulli", "gaussian"] = Field(
        "auto", description="auto: bernoulli for values in [0, 1] by nature, such as images', else gaussian"
    )
    sigma: Literal["optimal", "learned"] | PositiveFloat = Field(
        "optimal",
        description="of the gaussian; optimal: sqrt(mse), Rybkin et al. 2021, arXiv:2006.13202"
        " (for a deterministic code that of the validation split, found after training on the squared error);"
        " learned: one more weight",
    )
    sigma_start: PositiveFloat = Field(1.0, description="of a learned sigma")
    output: Literal["auto", "linear", "sigmoid", "tanh"] = Field(
        "auto", description="of a gaussian's mean; auto: sigmoid for images, else linear"
    )


class ObjectiveConfig(Section):
    """Settings of the loss, nll + beta · kl; only Gaussian codes have a kl."""

    beta: NonNegativeFloat = Field(1.0, description="weight of the kl; 1 makes the loss the negative ELBO")
    kl: bool = Field(default=True, description="false: the kl is left out of the loss, and still reported")
    kl_warmup: Share = Field(0.0, description="share of the epochs over which beta rises linearly from 0")
    free_bits: NonNegativeFloat = Field(
        0.0, description="nats of kl a dimension has for nothing, Kingma et al. 2016, arXiv:1606.04934"
    )
    samples: PositiveInt = Field(
        1, description="k of the importance-weighted bound, Burda et al. 2016, arXiv:1509.00519; 1 is the ELBO"
    )
    samples_from: Share = Field(
        0.0, description="share of the epochs that train on the ELBO, whose steps cost less, before the samples are k"
    )
    l1_activity: NonNegativeFloat = Field(
        0.0, description="weight of the code's summed absolute values beside the mean error of one element"
    )
    form: LossForm = Field("nats", description="or the loss as a tutorial writes it, 784 for the number of elements")

    @property
    def full_beta(self) -> float:
        """beta after the warm-up; 0 where the kl is off."""
        return self.beta if self.kl else 0.0


class CorruptConfig(Section):
    """Settings of the noise on the network's input but not on its target (denoising, Vincent et al. 2008)."""

    noise: NonNegativeFloat = Field(
        0.0, description="deviation of normal noise on every input; the sum is clipped to the value range"
    )


class AugmentConfig(Section):
    """Settings of augmentation: random changes of training images, each uniform between minus and plus its bound."""

    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Annotated[float, Field(ge=0, le=0.5, description="share of the side")] = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1, description="share of the size")] = 0.0

    @property
    def active(self) -> bool:
        """Whether any augmentation is on."""
        return max(self.rotate_deg, self.shift, self.zoom) > 0


class OptimizerConfig(Section):
    """Settings of the optimizer; default: Adam (Kingma & Ba 2015), a linear warm-up, half a cosine down to 0."""

    kind: Literal["adam", "rmsprop", "adadelta"] = "adam"
    learning_rate: PositiveFloat = Field(1e-3, description="at its peak")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="after the warm-up")
    warmup: Share = Field(0.05, description="share of the steps over which the rate rises")
    epsilon: PositiveFloat = Field(1e-7, description="added to the divisor of a step")


class TrainingConfig(Section):
    """Settings of the training loop: its length, batches, restarts and seed."""

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
    restarts: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="runs from different weights; that with the lowest validation loss is kept"
    )
    bias_from_mean: bool = Field(
        default=False, description="start the output's bias where it answers the mean of the training items"
    )
    precision: Precision = Field(
        "float32",
        description="of the gradient step's inner layers; bfloat16 makes wide convolutions half as fast again on CPUs"
        " that compute in it (avx512_bf16, amx_bf16), and is float32 on others; weights and exports stay float32",
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class PublishedConfig(Section):
    """The published figure of a recipe, and the settings it was published with; training does not use them.

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
    importance_samples: PositiveInt = Field(5000, description="of nll_is, per item")
    epochs: PositiveInt | None = Field(None, description="of the source, as are the next four")
    epoch_items: PositiveInt | None = Field(None, description="where the source repeats its items within an epoch")
    batch_size: PositiveInt | None = None
    optimizer: Literal["adam", "rmsprop", "adadelta"] | None = None
    learning_rate: PositiveFloat | None = Field(None, description="null: Keras' default of that optimizer")
    source: str = Field(description="one sentence")


class TrainConfig(Section):
    """A recipe with all of its settings."""

    recipe: str = Field(description="the recipe's name")
    intended_use: str = Field(description="one sentence for the manifest")
    published: PublishedConfig | None = Field(None, description="the figure to reach, where there is one")
    data: DataConfig = DataConfig()
    input: InputConfig = InputConfig()
    model: ModelConfig
    latent: LatentConfig
    likelihood: LikelihoodConfig = LikelihoodConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    corrupt: CorruptConfig = CorruptConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _no_idle_knobs(self) -> Self:
        objective = self.objective
        if self.latent.distribution == "deterministic":
            if objective != ObjectiveConfig(l1_activity=objective.l1_activity, form=objective.form):
                raise ValueError("objective: a deterministic code has no kl to weigh")
        elif (self.latent.activation, self.latent.bias) != ("linear", 0.0):
            raise ValueError("latent.activation and latent.bias: belong to a deterministic code")
        if objective.samples > 1 and objective.free_bits:
            raise ValueError("objective.free_bits: counts a kl, which the bound of several samples does not have")
        if objective.samples == 1 and objective.samples_from:
            raise ValueError("objective.samples_from: needs an objective.samples over 1")
        return self

    @model_validator(mode="after")
    def _likelihood_fits(self) -> Self:
        likelihood, objective = self.likelihood, self.objective
        if "bernoulli" in likelihood.kind and likelihood.sigma != "optimal":
            raise ValueError("likelihood.sigma: belongs to the gaussian likelihood")
        if "bernoulli" in likelihood.kind and likelihood.output not in ("auto", "sigmoid"):
            raise ValueError("likelihood.output: a probability comes out of a sigmoid")
        if objective.samples > 1 and likelihood.kind == "gaussian" and likelihood.sigma == "optimal":
            raise ValueError("objective.samples: needs a likelihood.sigma that is set or learned")
        if objective.form == "784*mse + kl" and not self._is_squared_error:
            raise ValueError(
                f"objective.form: 784*mse + kl is likelihood.kind=gaussian, likelihood.sigma={SQUARED_ERROR_SIGMA:.8f}"
            )
        if objective.form == "(784*bce + kl) / (2*784)" and likelihood.kind != "bernoulli":
            raise ValueError("objective.form: (784*bce + kl) / (2*784) is likelihood.kind=bernoulli")
        return self

    @property
    def _is_squared_error(self) -> bool:
        sigma = self.likelihood.sigma
        return (
            self.likelihood.kind == "gaussian" and isinstance(sigma, float) and abs(sigma - SQUARED_ERROR_SIGMA) < 1e-6
        )
