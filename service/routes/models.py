"""What there is: models, versions, manifests, figures of reports."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from model_store.files import NotRegular
from model_store.litter import holds_litter
from model_store.verify import REPORT
from model_store.versions import parse_version
from service.errors import NotFound, NotReady, UnknownModel
from service.models import Model, Registry, Slot
from service.observability.access_log import record_of
from service.routes import schemas
from service.routes.admin import require_admin
from service.routes.dependencies import FilesDep, RegistryDep, ServicesDep
from service.routes.openapi import IF_NONE_MATCH, KEPT_HEADERS, NOT_MODIFIED, problems
from service.wire.caching import FOR_EVER, CacheHeaders, Precondition, cacheable_response, not_modified
from service.wire.head import head_of
from service.wire.negotiation import JSON
from service.wire.ranges import RangedFile
from service.workers.peers import Peers

router = APIRouter(tags=["models"])

_IF_NONE_MATCH = {"parameters": [IF_NONE_MATCH]}

_REPORT_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
}
"""What files of a report are, by their names: scripts are nothing in particular, so no page can run them."""
_REPORT_HEADERS = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""A version may come from anywhere. What it says in HTML or SVG is shown, as if it were from another site."""


@router.get(
    "/models",
    summary="Every model and version",
    response_class=JSONResponse,
    responses={200: {"model": schemas.ModelsReply, "headers": KEPT_HEADERS}, **NOT_MODIFIED},
    openapi_extra=_IF_NONE_MATCH,
)
async def get_models(request: Request, registry: RegistryDep) -> Response:
    """State, engine and aliases of every version, as the store is now; where it hangs, as it was last seen."""
    await registry.look()
    listed = [_listed(registry, model) for model in registry.models()]
    listed += [_unreadable(name, reason) for name, reason in registry.unreadable().items()]
    content = {"models": sorted(listed, key=lambda model: str(model["name"])), "store": registry.troubles()}
    return cacheable_response(request, orjson.dumps(content), JSON)


@router.get(
    "/models/{name}",
    summary="The version that a model's name means",
    response_class=JSONResponse,
    responses={200: {"model": schemas.VersionReply, "headers": KEPT_HEADERS}, **NOT_MODIFIED, **problems(404)},
    openapi_extra=_IF_NONE_MATCH,
)
async def get_model(name: str, request: Request, registry: RegistryDep) -> Response:
    """The manifest, state and aliases of the served version."""
    return _answer(request, registry, *await find_served(registry, name))


@router.get(
    "/models/{name}/versions/{version}",
    summary="One version",
    response_class=JSONResponse,
    responses={200: {"model": schemas.VersionReply, "headers": KEPT_HEADERS}, **NOT_MODIFIED, **problems(404)},
    openapi_extra=_IF_NONE_MATCH,
)
async def get_version(name: str, version: str, request: Request, registry: RegistryDep) -> Response:
    """The manifest, state and aliases of a version."""
    slot = await find_slot(registry, name, version)
    return _answer(request, registry, await registry.model(name), slot)


@router.get(
    "/models/{name}/versions/{version}/report/{path:path}",
    summary="A figure or table of a version's report",
    response_class=FileResponse,
    responses={
        200: {"headers": KEPT_HEADERS},
        206: {"description": "The ranges that the Range header asks for.", "headers": KEPT_HEADERS},
        **NOT_MODIFIED,
        **problems(404, 416, 503),
    },
    openapi_extra=_IF_NONE_MATCH,
)
async def get_report(
    name: str, version: str, path: str, request: Request, services: ServicesDep, files: FilesDep
) -> Response:
    """Only files that the manifest lists are served, and a browser runs no script in them."""
    slot = await find_slot(services.registry, name, version)
    listed = f"{REPORT}/{path}"
    if slot.manifest is None or listed not in slot.manifest.files or holds_litter(listed):
        raise NotFound(f"the report of {slot.reference} has no {path[:100]}")
    file = files.directory(slot.name, slot.version) / listed
    try:
        stat = await files.stat(file)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, NotRegular):
        raise NotFound(f"the report of {slot.reference} has lost {path[:100]}") from None
    except OSError as error:
        why = (error.strerror or "input or output error").lower()
        raise NotReady(f"{path[:100]} of the report of {slot.reference} cannot be read: {why}") from None
    record_of(request.scope).model = slot.reference
    keeping = CacheHeaders(f'"{slot.manifest.files[listed].sha256[:32]}"', FOR_EVER, by_accept=False)
    if Precondition(head_of(request.scope)).holds(keeping):
        return not_modified(keeping)
    return RangedFile(
        file,
        stat,
        request.headers,
        media_type=_REPORT_TYPES.get(PurePosixPath(path).suffix.lower(), "application/octet-stream"),
        headers={**keeping.headers, **_REPORT_HEADERS},
    )


@router.post(
    "/models/{name}/reload",
    summary="Follow the store at once",
    response_class=JSONResponse,
    responses={200: {"model": schemas.ModelSummary}, **problems(401, 403, 404, 503, 504)},
    dependencies=[Depends(require_admin)],
)
async def post_reload(name: str, request: Request, services: ServicesDep) -> Response:
    """Look at the store now, load what the model's names are to mean, also what failed before, and answer what is
    served then: `reason` says why a name does not mean what the store says. 404 unless LATENT_ADMIN_KEY is set."""
    peers: Peers | None = request.app.state.peers
    if peers is not None:
        peers.reload(name)
    model = await services.registry.reload(name, services.settings.timeout_s)
    record_of(request.scope).model = f"{name}@{model.meaning()}"
    return JSONResponse(_listed(services.registry, model))


def _answer(request: Request, registry: Registry, model: Model, slot: Slot) -> Response:
    record_of(request.scope).model = slot.reference
    return cacheable_response(request, orjson.dumps(_described(request, registry, model, slot)), JSON)


async def find_served(registry: Registry, name: str) -> tuple[Model, Slot]:
    """A model and the version that its name means, or would if it could be loaded. Raises UnknownModel."""
    model = await registry.model(name)
    served = model.served()
    if not served:
        raise UnknownModel(f"{name} has no version that could be served")
    return model, served[0]


async def find_slot(registry: Registry, name: str, version: str) -> Slot:
    """A version by its number as a URL has it. Raises UnknownModel."""
    number = parse_version(version)
    if number is None:
        raise UnknownModel(f"{version[:40]!r} is no version number")
    return await registry.slot(name, number)


def _listed(registry: Registry, model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "default": model.name == registry.default_name,
        "serves": model.meaning(),
        "reason": model.reason,
        "versions": [_summary(model, model.slots[version]) for version in sorted(model.slots)],
    }


def _unreadable(name: str, reason: str) -> dict[str, Any]:
    return {"name": name, "default": False, "serves": None, "reason": reason, "versions": []}


def _summary(model: Model, slot: Slot) -> dict[str, Any]:
    manifest = slot.manifest
    return {
        "version": slot.version,
        "state": slot.state,
        "reason": slot.reason,
        "engine": slot.model.engine if slot.model is not None else None,
        "aliases": model.aliases_of(slot.version),
        "family": manifest.family if manifest is not None else None,
        "created_at": manifest.created_at.isoformat() if manifest is not None else None,
        "memory_bytes": slot.memory_bytes,
    }


def _described(request: Request, registry: Registry, model: Model, slot: Slot) -> dict[str, Any]:
    manifest = slot.manifest
    prefix = request.scope.get("root_path", "").rstrip("/")
    here = f"{prefix}/models/{model.name}/versions/{slot.version}"
    report = [path for path in (manifest.files if manifest is not None else {}) if path.startswith(f"{REPORT}/")]
    return {
        "name": model.name,
        "default": model.name == registry.default_name,
        "versions": sorted(model.slots),
        **_summary(model, slot),
        "manifest": manifest.model_dump(mode="json") if manifest is not None else None,
        "links": {"self": here, "report": {path.partition("/")[2]: f"{here}/{path}" for path in report}},
    }
