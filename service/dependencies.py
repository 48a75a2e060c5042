"""What a handler may ask for, as named aliases."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.exchange import Services
from service.metrics import Metrics
from service.registry import Registry


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _registry(request: Request) -> Registry:
    return _services(request).registry


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


ServicesDep = Annotated[Services, Depends(_services)]
RegistryDep = Annotated[Registry, Depends(_registry)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
