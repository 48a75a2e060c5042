"""The verb interpolate: a path through waypoints in latent space or, for comparison, in data space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import UInt8
from service.errors import InvalidValue
from service.verbs.call import Call, Result
from service.verbs.latent_ops import Method, path, path_positions
from service.verbs.options import InterpolateOptions
from service.wire.pictures import Sheet


async def interpolate(call: Call, options: InterpolateOptions) -> Result:
    """Interpolate between w waypoints: (w - 1)(steps - 1) + 1 items, which include every waypoint exactly."""
    z_given, inputs_given = _waypoints(call)
    if z_given is not None and (inputs_given is not None or call.payload.images is not None):
        raise InvalidValue.at(["z"], "waypoints are z or inputs", expected="one of z, inputs and images", got="two")
    if options.space == "data":
        return await _in_data_space(call, options, z_given, inputs_given)
    if z_given is not None:
        waypoints = call.codes(z_given)
        n = _expected_items(call, len(waypoints), options, "z")
        labels = call.one_hot(options.labels, len(waypoints))
    else:
        x = await call.inputs(options, inputs_given)
        n = _expected_items(call, len(x), options, "inputs")
        labels = call.one_hot(options.labels, len(x))
        waypoints = (await call.model.encode(x, labels, call.clock)).z_mean
    method: Method = "slerp" if call.model.gaussian else "lerp"
    if options.method != "auto":
        method = options.method
    z = path(waypoints, options.steps, method).astype(np.float32)
    condition = path(labels, options.steps, "lerp").astype(np.float32) if labels is not None else None
    outputs = await call.to_user(await call.model.decode(z, condition, call.clock))
    return _result(call, options, len(waypoints), n, z, outputs)


def _waypoints(call: Call) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """The request's waypoints as codes or as inputs. An npy array of shape (w, d) holds codes, any other inputs."""
    arrays = call.payload.arrays
    npy = arrays.get("npy")
    if npy is None:
        if not arrays and call.payload.images is None:
            raise InvalidValue.at(["z"], "there are no waypoints", expected="z, inputs or images", got="none of them")
        return arrays.get("z"), arrays.get("inputs")
    codes = npy.ndim == 2 and (npy.shape[1] == call.model.latent_dim or call.spec.kind != "vector")
    return (npy, None) if codes else (None, npy)


async def _in_data_space(
    call: Call, options: InterpolateOptions, z: NDArray[Any] | None, inputs: NDArray[Any] | None
) -> Result:
    if z is not None:
        raise InvalidValue.at(["z"], "data space has no codes", expected="inputs or images as waypoints", got="z")
    if options.method == "slerp":
        raise InvalidValue.at(["method"], "data space is blended straight", expected="auto or lerp", got="'slerp'")
    x = await call.inputs(options, inputs)
    n = _expected_items(call, len(x), options, "inputs")
    if options.labels is not None:
        call.one_hot(options.labels, len(x))
    outputs = await call.to_user(await call.compute(lambda: path(x, options.steps, "lerp").astype(np.float32), n))
    return _result(call, options, len(x), n, None, outputs)


def _expected_items(call: Call, waypoints: int, options: InterpolateOptions, name: str) -> int:
    if waypoints < 2:
        raise InvalidValue.at([name], "a path needs two waypoints", expected="at least 2 items", got=str(waypoints))
    n = (waypoints - 1) * (options.steps - 1) + 1
    call.limit_items(n, "steps")
    call.limit_output(n, options)
    return n


def _result(
    call: Call,
    options: InterpolateOptions,
    waypoints: int,
    n: int,
    z: NDArray[np.float32] | None,
    outputs: NDArray[np.float32],
) -> Result:
    def row_a_segment(images: UInt8) -> Sheet:
        """Lay out one row for each segment; a waypoint between two segments ends one row and begins the next."""
        starts = range(0, n - 1, options.steps - 1)
        return Sheet(np.concatenate([images[start : start + options.steps] for start in starts]), options.steps)

    fields = {"t": path_positions(waypoints, options.steps), "z": z, "outputs": outputs}
    return Result(call.model.reference, fields, "outputs", n, images=call.images(outputs), sheet=row_a_segment)
