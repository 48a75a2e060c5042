"""encode: items -> codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from service.batching import Rows
from service.errors import InvalidValue
from service.models.served_model import Posterior
from service.verbs.call import Call, Result, drawn
from service.verbs.latent_ops import noise, sample_posterior
from service.verbs.options import EncodeOptions


async def encode(call: Call, options: EncodeOptions) -> Result:
    """The posterior of every item, and z: its mean, or one draw from it where `sample` is set."""
    model = call.model
    if options.sample and not model.gaussian:
        raise InvalidValue.at(
            ["sample"], "this model's codes are deterministic: there is nothing to draw", expected="false", got="true"
        )
    x = await call.inputs(options, _array(call))
    posterior = await model.encode(x, call.one_hot(options.labels, len(x)), call.clock)
    result = _answered(call, posterior)
    if not options.sample or posterior.z_log_var is None:
        return result
    seed = drawn(options.seed)
    eps = noise(seed, len(x), model.latent_dim)
    z = sample_posterior(posterior.z_mean, posterior.z_log_var, eps).astype(np.float32)
    return replace(result, fields={**result.fields, "z": z, "seed": seed}, repeatable=options.seed is not None)


def begin(call: Call) -> dict[str, Float32]:
    """The items of a request that says nothing else."""
    x = call.array_inputs(_array(call))
    call.one_hot(None, len(x))
    return {"x": x}


def finish(call: Call, rows: Rows) -> Result:
    """Their posterior."""
    return _answered(call, call.model.posterior_of(rows))


def _array(call: Call) -> NDArray[Any] | None:
    return call.payload.arrays.get("inputs", call.payload.arrays.get("npy"))


def _answered(call: Call, posterior: Posterior) -> Result:
    fields = {"z": posterior.z_mean, "z_mean": posterior.z_mean, "z_log_var": posterior.z_log_var}
    return Result(call.model.reference, fields, "z", len(posterior.z_mean))
