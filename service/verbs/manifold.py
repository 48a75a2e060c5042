"""The verb manifold: decodes a grid of codes."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidValue, LatentSizeMismatch
from service.verbs.call import Call, Result
from service.verbs.latent_ops import STANDARD_AXIS, Axis, grid, linear_spacing, mixture_axis, quantile_spacing
from service.verbs.options import ManifoldOptions
from service.wire.pictures import Sheet

LOW = 0.05
EXTENT = 4.0


async def manifold(call: Call, options: ManifoldOptions) -> Result:
    """Decode a grid of n × n codes over two dimensions (or n codes over one); other dimensions stay fixed.

    The spacing follows the default prior of `/sample`: N(0, I) for Gaussian codes, else the fitted mixture. The first
    dimension grows to the right, the second upwards.
    """
    model = call.model
    dims = _dims(options, model.latent_dim)
    n, columns = options.n ** len(dims), options.n
    call.limit_output(n, options)
    labels = call.one_hot(None if options.label is None else [options.label], 1, "label")
    values = tuple(_spaced(_axis(call, dim), options) for dim in dims)
    z = grid(_base(call, options), dims, values).astype(np.float32)
    outputs = np.empty((n, *call.spec.shape), np.float32)
    size = call.settings.max_batch_items
    for start in range(0, n, size):  # one batch at a time, so that other requests are served in between
        piece = z[start : start + size]
        condition = np.repeat(labels, len(piece), axis=0) if labels is not None else None
        outputs[start : start + len(piece)] = await call.to_user(await model.decode(piece, condition, call.clock))
    fields = {
        "dims": list(dims),
        "spacing": options.spacing,
        "values": [axis.tolist() for axis in values],
        "columns": columns,
        "z": z,
        "outputs": outputs,
    }
    return Result(
        model.reference, fields, "outputs", n, images=call.images(outputs), sheet=partial(Sheet, columns=columns)
    )


def _dims(options: ManifoldOptions, latent_dim: int) -> tuple[int, ...]:
    dims = tuple(options.dims) if options.dims is not None else tuple(range(min(2, latent_dim)))
    if len(set(dims)) != len(dims) or not all(0 <= dim < latent_dim for dim in dims):
        raise InvalidValue.at(
            ["dims"],
            "dims must be different dimensions of the code",
            expected=f"one or two of 0 to {latent_dim - 1}",
            got=",".join(map(str, dims)),
        )
    return dims


def _axis(call: Call, dim: int) -> Axis:
    return STANDARD_AXIS if call.model.gaussian else mixture_axis(call.model.prior, dim)


def _spaced(axis: Axis, options: ManifoldOptions) -> NDArray[np.float64]:
    if options.spacing == "quantile":
        if options.extent is not None:
            raise InvalidValue.at(["extent"], "extent needs spacing=linear", expected="low, or no extent", got="extent")
        return quantile_spacing(axis, options.n, LOW if options.low is None else options.low)
    if options.low is not None:
        raise InvalidValue.at(["low"], "low needs spacing=quantile", expected="extent, or no low", got="low")
    return linear_spacing(axis, options.n, EXTENT if options.extent is None else options.extent)


def _base(call: Call, options: ManifoldOptions) -> NDArray[np.float64]:
    d = call.model.latent_dim
    if options.z is None:
        return np.zeros(d) if call.model.gaussian else call.model.prior.mean
    if len(options.z) != d:
        raise LatentSizeMismatch.at(
            ["z"],
            f"z has {len(options.z)} numbers; this model's codes have {d}",
            expected=str(d),
            got=str(len(options.z)),
        )
    return np.array(options.z, np.float64)
