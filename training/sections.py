"""Base class of the configuration's sections, and the section on the code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Activation = Literal["relu", "leaky_relu", "tanh", "elu", "silu"]


class Section(BaseModel):
    """Base of the configuration's sections: frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LatentConfig(Section):
    """The code: its length, and whether the encoder answers a Gaussian or a point."""

    dim: Annotated[int, Field(ge=1, le=4096)]
    distribution: Literal["gaussian", "deterministic"] = "gaussian"
    activation: Literal["linear", "relu"] = Field("linear", description="of a deterministic code")
    bias: float = Field(0.0, description="start of a deterministic code's bias; 1 keeps every relu unit alive")
