"""The table of verb endpoints: the function, options, body types and answer types of each."""

from __future__ import annotations

from typing import Any

from service.verbs.decode import decode
from service.verbs.encode import encode
from service.verbs.interpolate import interpolate
from service.verbs.manifold import manifold
from service.verbs.options import (
    DecodeOptions,
    EncodeOptions,
    InterpolateOptions,
    ManifoldOptions,
    ReconstructOptions,
    SampleOptions,
)
from service.verbs.reconstruct import reconstruct
from service.verbs.sample import sample
from service.verbs.verb import Verb
from service.wire.negotiation import GIF, JPEG, JSON, MULTIPART, NPY, PNG, WEBP

_ITEM_BODIES = (JSON, PNG, JPEG, WEBP, MULTIPART, NPY)
_CODE_BODIES = (JSON, NPY)

ENCODE = Verb(encode, EncodeOptions, _ITEM_BODIES, ("inputs", "images"))
DECODE = Verb(decode, DecodeOptions, _CODE_BODIES, ("z",), "decoder", (PNG,))
RECONSTRUCT = Verb(reconstruct, ReconstructOptions, _ITEM_BODIES, ("inputs", "images"), pictures=(PNG,))
INTERPOLATE = Verb(interpolate, InterpolateOptions, _ITEM_BODIES, ("z", "inputs", "images"), pictures=(PNG, GIF, WEBP))
SAMPLE = Verb(sample, SampleOptions, (JSON,), (), "decoder", (PNG,))
POSTS: dict[str, Verb[Any]] = {
    "/encode": ENCODE,
    "/decode": DECODE,
    "/reconstruct": RECONSTRUCT,
    "/interpolate": INTERPOLATE,
    "/sample": SAMPLE,
}
"""The verbs of POST requests, by path."""

GET_SAMPLE = Verb(
    sample,
    SampleOptions,
    half="decoder",
    pictures=(PNG,),
    picture_first=True,
    repeats=lambda options: options.seed is not None,
)
GET_MANIFOLD = Verb(
    manifold, ManifoldOptions, half="decoder", pictures=(PNG,), picture_first=True, repeats=lambda _: True
)
