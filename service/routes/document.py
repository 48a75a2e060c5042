"""The OpenAPI document of a running service."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response

from service.wire.caching import cacheable_response
from service.wire.negotiation import JSON

PATH = "/openapi.json"

router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def get_document(request: Request) -> Response:
    """As docs/openapi.json has it; behind a prefix it says so."""
    document = request.app.openapi()
    prefix = request.scope.get("root_path", "").rstrip("/")
    if prefix:
        document = {**document, "servers": [{"url": prefix}]}
    return cacheable_response(request, orjson.dumps(document), JSON)
