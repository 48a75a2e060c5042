"""The map of a version: held-out items, their codes and where these lie, the way from a code to the map, the prior."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from pydantic import Field

from model_store.heldout import Heldout
from model_store.manifest import Manifest
from service.errors import AnswerTooLarge, NotReady
from service.limits import Check
from service.models import Slot
from service.models.heldout_map import HeldoutMap, spread
from service.models.heldout_maps import Maps
from service.observability.access_log import record_of
from service.routes import schemas
from service.routes.dependencies import MapsDep, ServicesDep
from service.routes.models import find_served, find_slot
from service.routes.openapi import (
    BINARY,
    IF_NONE_MATCH,
    KEPT_HEADERS,
    MODEL_HEADERS,
    NOT_MODIFIED,
    problems,
    query_parameters,
)
from service.verbs.answering import Services
from service.verbs.options import Options, read_options
from service.wire.caching import ASK_AGAIN, FOR_EVER, RELEASE, CacheHeaders, Precondition, not_modified, tag
from service.wire.head import head_of
from service.wire.negotiation import ARRAYS, NPY, NPZ, PNG
from service.wire.pictures import near_square, png, sheet
from service.wire.replies import render_json, render_npy, render_npz

router = APIRouter(tags=["models"])

_Fields = dict[str, Any]


class MapOptions(Options):
    """GET …/map."""

    items: int | None = Field(None, ge=1, description="Most items, evenly over all; all where null.")
    inputs: bool = Field(True, description="Whether the items themselves come with vectors, sequences and npz.")


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": schemas.MapReply,
        "description": "The map, by Accept: `npy` is the codes, PNG the pictures of all items.",
        "headers": MODEL_HEADERS | KEPT_HEADERS,
        "content": {kind: {"schema": BINARY} for kind in (NPY, NPZ, PNG)},
    },
    **NOT_MODIFIED,
    **problems(404, 406, 422, 500, 503),
}
_PARAMETERS = {"parameters": [*query_parameters(MapOptions), IF_NONE_MATCH]}


@router.get(
    "/models/{name}/map",
    summary="The map of the version that a model's name means",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_PARAMETERS,
)
async def get_map(name: str, request: Request, services: ServicesDep, maps: MapsDep) -> Response:
    """Held-out items at the places of their codes: to draw, and to find codes by. No engine is asked."""
    _, slot = await find_served(services.registry, name)
    return await _answer(request, services, maps, slot, ASK_AGAIN)


@router.get(
    "/models/{name}/versions/{version}/map",
    summary="The map of one version",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_PARAMETERS,
)
async def get_version_map(name: str, version: str, request: Request, services: ServicesDep, maps: MapsDep) -> Response:
    """Held-out items at the places of their codes. Of a version that failed too, as long as these files are sound."""
    slot = await find_slot(services.registry, name, version)
    return await _answer(request, services, maps, slot, FOR_EVER)


async def _answer(request: Request, services: Services, maps: Maps, slot: Slot, cache_control: str) -> Response:
    head, record, manifest = head_of(request.scope), record_of(request.scope), slot.manifest
    record.model = slot.reference
    options = read_options(MapOptions, {}, head.query)
    if manifest is None:
        raise NotReady(slot.why)
    offers = (*ARRAYS, PNG) if manifest.input.kind == "image" else ARRAYS
    media_type = head.answer_type(head.accept, offers, False)
    etag = tag("map", manifest.digest, RELEASE, options.model_dump_json(), media_type)
    keeping, precondition = CacheHeaders(etag, cache_control), Precondition(head)
    if precondition.names(keeping):
        return not_modified(keeping)
    deadline = time.monotonic() + head.timeout_s(services.settings.timeout_s, services.settings.max_timeout_s)
    found = await maps.get(slot, manifest)
    items = spread(found.heldout, options.items)
    record.items = len(items.codes)
    answered = _answered(found, items, manifest, options, media_type)
    _limit(answered, services.settings.max_output_bytes)
    if precondition.holds(keeping):
        return not_modified(keeping)
    render = partial(_render, answered, items, manifest, slot.reference, media_type)
    content = await services.pools.rendering.run(lambda work: render(work.check), deadline)
    return Response(content, media_type=media_type, headers=keeping.headers)


def _answered(found: HeldoutMap, items: Heldout, manifest: Manifest, options: MapOptions, media_type: str) -> _Fields:
    """The arrays that go out, in the order of the reply."""
    if media_type == PNG:
        return {"inputs": items.inputs}
    if media_type == NPY:
        return {"codes": items.codes}
    fields: _Fields = {"codes": items.codes, "coordinates": items.coordinates, "labels": items.labels}
    if options.inputs and (media_type == NPZ or manifest.input.kind != "image"):
        fields["inputs"] = items.inputs
    projection, prior = found.projection, found.prior
    fields["projection"] = {"matrix": projection.matrix, "offset": projection.offset}
    fields["prior"] = {"weights": prior.weights, "means": prior.means, "covariances": prior.covariances}
    return fields


def _render(
    answered: _Fields, items: Heldout, manifest: Manifest, reference: str, media_type: str, check: Check
) -> bytes:
    check()
    if media_type == PNG:
        return png(sheet(items.inputs, near_square(len(items.inputs))))
    if media_type == NPY:
        return render_npy(items.codes)
    if media_type == NPZ:
        return render_npz(answered)
    names = manifest.input.class_names
    fields: _Fields = {"model": reference, "items": len(items.codes), **answered}
    fields["class_names"] = None if names is None else list(names)
    fields["sprite"] = _sprite(items) if manifest.input.kind == "image" else None
    return render_json(fields, check=check)


def _sprite(items: Heldout) -> dict[str, int]:
    """Where the thumbnails are in the picture of the same items: item i in row ⌊i / columns⌋, column i mod columns."""
    n, height, width = items.inputs.shape[:3]
    columns = near_square(n)
    return {"columns": columns, "rows": -(-n // columns), "width": width, "height": height, "items": n}


def _limit(answered: _Fields, max_bytes: int) -> None:
    size = _nbytes(answered)
    if size > max_bytes:
        raise AnswerTooLarge.at(
            ["items"],
            "the map would be too large: ask for fewer items, or for inputs=false",
            expected=f"at most {max_bytes} bytes",
            got=f"{size} bytes",
        )


def _nbytes(fields: Mapping[str, Any]) -> int:
    arrays: list[NDArray[np.generic]] = [value for value in fields.values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in arrays) + sum(
        _nbytes(value) for value in fields.values() if isinstance(value, dict)
    )
