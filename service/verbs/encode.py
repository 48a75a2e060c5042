"""The verb encode: items -> codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.errors import InvalidValue
from service.verbs.call import Call, Result, drawn
from service.verbs.latent_ops import noise, sample_posterior
from service.verbs.options import EncodeOptions


async def encode(call: Call, options: EncodeOptions) -> Result:
    """Encode every item to its posterior, and z: the posterior's mean, or with `sample` one draw from it."""
    model = call.model
    if options.sample and not model.gaussian:
        raise InvalidValue.at(
            ["sample"], "this model's codes are deterministic: there is nothing to draw", expected="false", got="true"
        )
    x = await call.inputs(options, call.payload.arrays.get("inputs", call.payload.arrays.get("npy")))
    posterior = await model.encode(x, call.one_hot(options.labels, len(x)), call.clock)
    z_mean, z_log_var = posterior.z_mean, posterior.z_log_var
    fields: dict[str, Any] = {"z": z_mean, "z_mean": z_mean, "z_log_var": z_log_var}
    if not options.sample or z_log_var is None:
        return Result(model.reference, fields, "z", len(x))
    seed = drawn(options.seed)
    eps = noise(seed, len(x), model.latent_dim)
    fields |= {"z": sample_posterior(z_mean, z_log_var, eps).astype(np.float32), "seed": seed}
    return Result(model.reference, fields, "z", len(x), repeatable=options.seed is not None)
