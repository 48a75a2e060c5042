"""The five verbs, and the manifold."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from service.routes import schemas
from service.routes.answer import answer
from service.routes.dependencies import ServicesDep
from service.routes.openapi import Described
from service.verbs.endpoints import (
    DECODE,
    ENCODE,
    GET_MANIFOLD,
    GET_SAMPLE,
    INTERPOLATE,
    RECONSTRUCT,
    SAMPLE,
)

router = APIRouter(tags=["latent space"])
described = Described()

# Examples that work as they are with any image model, the codes with the default one: a stroke, and a seven.
_STROKE = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAMElEQVR42mNgoD9gROP/RxZiwqeTFEkUU6lnLNmSqO4ZeAehuWfA"
    "HYTuHgqMpREAANN5BSpTrVSoAAAAAElFTkSuQmCC"
)
_SEVEN = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAARElEQVR42r3MMQoAMAgDQPX/f7ZLoUbENoPNIkQuIv+j+3pVW228"
    "e+JsYnqX1kBWHkjKADkZISUBMhIhIRN8lxn2cigLJA8LKEpLhowAAAAASUVORK5CYII="
)
_ITEM: dict[str, Any] = {"images": [_STROKE]}
_CODE: dict[str, Any] = {"z": [[0.0] * 16]}
_PATH: dict[str, Any] = {"images": [_STROKE, _SEVEN], "steps": 8}


@router.post(
    "/encode",
    summary="Items to codes",
    response_class=Response,
    openapi_extra=described.verb(ENCODE, schemas.EncodeReply, schemas.EncodeBody, _ITEM),
)
async def post_encode(request: Request, services: ServicesDep) -> Response:
    """The posterior of every item. Deterministic, unless `sample` is set."""
    return await answer(request, services, ENCODE)


@router.post(
    "/decode",
    summary="Codes to items",
    response_class=Response,
    openapi_extra=described.verb(DECODE, schemas.DecodeReply, schemas.DecodeBody, _CODE),
)
async def post_decode(request: Request, services: ServicesDep) -> Response:
    """What the decoder makes of every code."""
    return await answer(request, services, DECODE)


@router.post(
    "/reconstruct",
    summary="Items to codes and back, with errors and anomaly scores",
    response_class=Response,
    openapi_extra=described.verb(RECONSTRUCT, schemas.ReconstructReply, schemas.ReconstructBody, _ITEM),
)
async def post_reconstruct(request: Request, services: ServicesDep) -> Response:
    """Decodes z_mean; the anomaly score is the mean squared error, ranked among the held-out items."""
    return await answer(request, services, RECONSTRUCT)


@router.post(
    "/interpolate",
    summary="A path through waypoints",
    response_class=Response,
    openapi_extra=described.verb(INTERPOLATE, schemas.InterpolateReply, schemas.InterpolateBody, _PATH),
)
async def post_interpolate(request: Request, services: ServicesDep) -> Response:
    """From waypoint to waypoint through latent space or, to compare, through data space."""
    return await answer(request, services, INTERPOLATE)


@router.post(
    "/sample",
    summary="New items from a prior",
    response_class=Response,
    openapi_extra=described.verb(SAMPLE, schemas.SampleReply, schemas.SampleBody, {"n": 16, "seed": 7}),
)
async def post_sample(request: Request, services: ServicesDep) -> Response:
    """The same seed gives the same codes; the first k of n are those of n = k."""
    return await answer(request, services, SAMPLE)


@router.get(
    "/sample",
    summary="New items as a picture",
    response_class=Response,
    openapi_extra=described.verb(GET_SAMPLE, schemas.SampleReply, None, None),
)
async def get_sample(request: Request, services: ServicesDep) -> Response:
    """As POST /sample with its options in the query; a PNG unless Accept asks otherwise."""
    return await answer(request, services, GET_SAMPLE)


@router.get(
    "/manifold",
    summary="The decoded plane of two dimensions as a picture",
    response_class=Response,
    openapi_extra=described.verb(GET_MANIFOLD, schemas.ManifoldReply, None, None),
)
async def get_manifold(request: Request, services: ServicesDep) -> Response:
    """A grid of decoded codes; a PNG unless Accept asks otherwise."""
    return await answer(request, services, GET_MANIFOLD)
