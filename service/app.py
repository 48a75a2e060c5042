"""create_app(settings): wires everything, owns the lifespan."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi

from service.account import Account
from service.exchange import Services
from service.logs import RequestLog
from service.metrics import Metrics
from service.middleware import ExchangeMiddleware
from service.problems import install_problems
from service.registry import Registry
from service.routes import health, inference, models, pages
from service.schemas import Problem
from service.settings import Settings

DESCRIPTION = (
    "Autoencoders and VAEs behind HTTP. JSON is always a batch; `application/x-npy` and `application/x-npz` carry the "
    "same arrays in binary; pictures go in and out as files. Every error is `application/problem+json`."
)


def create_app(settings: Settings) -> FastAPI:
    """The application. Models load when its lifespan begins."""
    metrics, request_log = Metrics(), RequestLog(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        registry = Registry(settings, metrics)
        metrics.watch(registry)
        app.state.services = Services(settings, registry)
        registry.open()
        yield
        await registry.close()
        request_log.flush()

    app = FastAPI(
        title="Latent",
        version=importlib.metadata.version("latent"),
        description=DESCRIPTION,
        lifespan=lifespan,
        root_path=settings.root_path,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_tags=[
            {"name": "latent space", "description": "The five verbs, and the manifold."},
            {"name": "models", "description": "What is served."},
            {"name": "operations", "description": "Probes and metrics."},
        ],
    )
    app.state.metrics = metrics
    app.state.account = Account(metrics, request_log)
    app.add_middleware(ExchangeMiddleware, account=app.state.account)
    routers = [module.router for module in (inference, models, health, pages)]
    for router in routers:
        app.include_router(router)
    install_problems(app, [route for router in routers for route in router.routes])
    patch_fastapi(app, redirect_from_root_to_docs=False)  # /docs from files of the package: no other host is asked
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        inference.described.ref(Problem)
        app.openapi_schema = inference.described.document(app)
    return app.openapi_schema
