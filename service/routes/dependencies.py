"""FastAPI dependencies of the handlers, as named type aliases."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.models import Registry
from service.models.heldout_maps import Maps
from service.models.version_files import VersionFiles
from service.observability.metrics import Metrics, Report
from service.verbs.answering import Services
from service.workers.peers import Peers


async def _services(request: Request) -> Services:  # a plain function would take a thread
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


async def _registry(services: ServicesDep) -> Registry:
    return services.registry


async def _maps(request: Request) -> Maps:
    maps: Maps = request.app.state.maps
    return maps


async def _files(request: Request) -> VersionFiles:
    files: VersionFiles = request.app.state.files
    return files


async def _reports(request: Request) -> list[Report]:
    metrics: Metrics = request.app.state.metrics
    peers: Peers | None = request.app.state.peers
    return [metrics.report(), *(await peers.reports() if peers is not None else [])]


RegistryDep = Annotated[Registry, Depends(_registry)]
FilesDep = Annotated[VersionFiles, Depends(_files)]
MapsDep = Annotated[Maps, Depends(_maps)]
ReportsDep = Annotated[list[Report], Depends(_reports)]
