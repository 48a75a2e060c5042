"""The verb sample: codes drawn from a prior -> items."""

from __future__ import annotations

import numpy as np

from service.verbs.call import Call, Result, drawn
from service.verbs.latent_ops import noise, sample_mixture, sample_standard
from service.verbs.options import SampleOptions


async def sample(call: Call, options: SampleOptions) -> Result:
    """Decode n codes drawn from the prior; equal seeds give equal codes, and a larger n only appends items."""
    model, seed = call.model, drawn(options.seed)
    call.limit_items(options.n, "n")
    call.limit_output(options.n, options)
    labels = call.one_hot(options.labels, options.n)
    prior = ("standard" if model.gaussian else "fitted") if options.prior == "auto" else options.prior
    eps = noise(seed, options.n, model.latent_dim, options.truncation)
    if prior == "standard":
        z = sample_standard(eps, options.temperature).astype(np.float32)
    else:
        z = sample_mixture(model.prior, eps, options.temperature).astype(np.float32)
    outputs = await call.to_user(await model.decode(z, labels, call.clock))
    return Result(
        model.reference,
        {"seed": seed, "prior": prior, "z": z, "outputs": outputs},
        "outputs",
        options.n,
        images=call.images(outputs),
        repeatable=options.seed is not None,
    )
