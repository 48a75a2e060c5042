"""Wires the application: `create_app(settings)` makes it and defines its lifespan."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

import structlog
from fastapi import FastAPI

from service.admission import Admission
from service.engines.cpus import cpus_of_each
from service.errors import ServiceError
from service.limits import InFlightBytes, Pools
from service.models import Registry
from service.models.heldout_maps import Maps
from service.models.version_files import VersionFiles
from service.observability.access_log import AccessLog
from service.observability.metrics import Metrics
from service.routes import document, health, inference, maps, models, pages
from service.routes.middleware import RecordMiddleware
from service.routes.schemas import Problem
from service.settings import Settings
from service.verbs.answering import Services
from service.wire.cors import cross_origin
from service.wire.problems import install_problems
from service.workers.peers import Peers

log = structlog.get_logger("latent.reload")

DESCRIPTION = (
    "Autoencoders and VAEs behind HTTP. JSON is always a batch; `application/x-npy` and `application/x-npz` carry the "
    "same arrays in binary; pictures go in and out as files. Every error is `application/problem+json`."
)


def create_app(settings: Settings, line: Connection | None = None) -> FastAPI:
    """Make the FastAPI application. Models load when its lifespan begins; `line` is a pipe to the supervisor."""
    metrics = Metrics()
    access_log = AccessLog(metrics, settings)
    files = VersionFiles(settings.store)
    peers = None if line is None else Peers(line, metrics.report)
    in_flight, pools = InFlightBytes(settings.max_in_flight_bytes), Pools.of(cpus_of_each(settings.workers))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        registry = Registry(settings, metrics)
        metrics.watch(registry, in_flight, pools)
        app.state.services = Services(settings, registry, Admission(settings.max_batch_items), pools, in_flight)
        await registry.open()
        if peers is not None:
            peers.open(lambda name: _reload(registry, name, settings.timeout_s))
            await registry.settled()  # other workers answer until this one is ready
        yield
        await registry.close()
        files.close()
        if peers is not None:
            peers.close()
        pools.close()
        access_log.close()

    app = FastAPI(
        title="Latent",
        version=importlib.metadata.version("latent"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_tags=[
            {"name": "latent space", "description": "The five verbs, and the manifold."},
            {"name": "models", "description": "What is served."},
            {"name": "operations", "description": "Probes and metrics."},
        ],
    )
    app.root_path = settings.root_path  # as an argument it is deprecated: uvicorn's own would be put before every path
    app.state.metrics, app.state.peers = metrics, peers
    app.state.files, app.state.maps = files, Maps(files)
    app.state.access_log, app.state.in_flight = access_log, in_flight
    app.add_middleware(RecordMiddleware, access_log=access_log)
    app.add_middleware(cross_origin, origins=settings.allowed_origins)
    routers = [module.router for module in (inference, models, maps, health, document, pages)]
    for router in routers:
        app.include_router(router)
    install_problems(app, [route for router in routers for route in router.routes])
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


async def _reload(registry: Registry, name: str, timeout_s: float) -> None:
    """Reload a model because another worker was asked to; a failure here is only logged."""
    try:
        await registry.reload(name, timeout_s)
    except ServiceError as error:
        log.warning("reload failed", model=name, reason=str(error))


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        inference.described.ref(Problem)
        app.openapi_schema = inference.described.document(app)
    return app.openapi_schema
