"""decode: codes -> items."""

from __future__ import annotations

from model_store.arrays import Float32
from service.batching import Rows
from service.verbs.call import Call, Result
from service.verbs.options import DecodeOptions


async def decode(call: Call, options: DecodeOptions) -> Result:
    """What the decoder makes of every code."""
    z = _codes(call, options)
    return _answered(call, await call.model.decode(z, call.one_hot(options.labels, len(z)), call.clock))


def begin(call: Call) -> dict[str, Float32]:
    """The codes of a request that says nothing else."""
    z = _codes(call, None)
    call.one_hot(None, len(z))
    return {"z": z}


def finish(call: Call, rows: Rows) -> Result:
    """Their items."""
    return _answered(call, rows["outputs"])


def _codes(call: Call, options: DecodeOptions | None) -> Float32:
    z = call.codes(call.payload.arrays.get("z", call.payload.arrays.get("npy")))
    call.limit_output(len(z), options)
    return z


def _answered(call: Call, decoded: Float32) -> Result:
    outputs = call.to_user(decoded)
    return Result(
        call.model.reference,
        {"outputs": outputs},
        "outputs",
        len(outputs),
        images=call.images(outputs),
    )
