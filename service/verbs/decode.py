"""The verb decode: codes -> items."""

from __future__ import annotations

from service.verbs.call import Call, Result
from service.verbs.options import DecodeOptions


async def decode(call: Call, options: DecodeOptions) -> Result:
    """Decode every code of the request to an item."""
    z = call.codes(call.payload.arrays.get("z", call.payload.arrays.get("npy")))
    call.limit_output(len(z), options)
    decoded = await call.model.decode(z, call.one_hot(options.labels, len(z)), call.clock)
    outputs = await call.to_user(decoded)
    return Result(
        call.model.reference,
        {"outputs": outputs},
        "outputs",
        len(outputs),
        images=call.images(outputs),
    )
