"""Renders the result of a verb as the bytes of an answer; what takes long is rendered in a thread."""

from __future__ import annotations

from functools import partial

from service.verbs.call import Call, Result
from service.verbs.options import InterpolateOptions, Options, PictureOptions
from service.wire import replies
from service.wire.negotiation import ARRAYS, NPY

INLINE_ANSWER_BYTES, _INLINE_IMAGES = 128 << 10, 64
"""Answers whose float32 array, magnified, has up to this size are rendered in the event loop, larger ones in a thread;
so are answers with more PNGs."""
_INLINE_NPY_BYTES = 4 << 20
"""An npy answer is a copy of its array, which takes 2 ms up to this size."""
_ROOM = 3
"""Bytes of a rendered answer, in JSON, to those of its float32 numbers."""
_PLAIN = replies.Looks()


async def render(result: Result, answered_as: str, options: Options, call: Call) -> bytes:
    """Render an answer as bytes of a media type. Raises MemoryFull, PoolFull or Abandoned."""
    looks, nbytes = _PLAIN, result.fields[result.main].nbytes
    if isinstance(options, PictureOptions):
        fps = options.fps if isinstance(options, InterpolateOptions) else looks.fps
        looks = replies.Looks(as_png=options.as_ == "png", scale=options.scale, fps=fps)
        if looks.as_png or answered_as not in ARRAYS:
            nbytes *= looks.scale**2
    small = nbytes <= INLINE_ANSWER_BYTES and not (looks.as_png and result.items > _INLINE_IMAGES)
    if answered_as == NPY:
        small = nbytes <= _INLINE_NPY_BYTES
    if small and answered_as not in replies.MOVING:
        return replies.render(result, answered_as, looks)
    call.reserve(_ROOM * nbytes)
    in_pieces = partial(replies.render, result, answered_as, looks)
    return await call.pools.rendering.run(lambda work: in_pieces(work.check), call.clock.deadline)
