"""Probes and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from service.errors import NotReady
from service.observability.metrics import CONTENT_TYPE, render
from service.routes import schemas
from service.routes.dependencies import RegistryDep, ReportsDep
from service.routes.openapi import problems

router = APIRouter(tags=["operations"])


@router.get(
    "/livez", summary="Is the process alive", response_class=JSONResponse, responses={200: {"model": schemas.LiveReply}}
)
async def get_livez() -> Response:
    """Always 200 while the event loop runs."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/readyz",
    summary="Can it answer",
    response_class=JSONResponse,
    responses={200: {"model": schemas.ReadyReply}, **problems(503)},
)
async def get_readyz(registry: RegistryDep) -> Response:
    """200 where the default model, or any if there is no default, is ready; 503 with the reasons otherwise.

    Both say what is wrong with reading the store, where something is.
    """
    reasons, troubles = registry.unready(), registry.troubles()
    if reasons:
        told = "; ".join(reasons)
        raise NotReady("; ".join([told, *(trouble for trouble in troubles if trouble not in told)]))
    return JSONResponse({"status": "ready"} | ({"store": troubles} if troubles else {}))


@router.get(
    "/metrics", summary="Prometheus metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}
)
async def get_metrics(reports: ReportsDep) -> Response:
    """Text exposition format 0.0.4, all workers together."""
    return Response(render(reports), headers={"Content-Type": CONTENT_TYPE})
