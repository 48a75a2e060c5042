"""The messages between worker processes and their supervisor."""

from __future__ import annotations

from dataclasses import dataclass

from service.observability.metrics import Report


@dataclass(frozen=True)
class ReportRequest:
    """From the supervisor to a worker: send your report now."""


@dataclass(frozen=True)
class ReportMessage:
    """From a worker to the supervisor: its report."""

    report: Report


@dataclass(frozen=True)
class PeerReportsRequest:
    """From a worker to the supervisor: send the reports of all other workers. Includes the worker's own report."""

    report: Report


@dataclass(frozen=True)
class PeerReports:
    """From the supervisor to a worker: the reports that its PeerReportsRequest asked for."""

    reports: list[Report]


@dataclass(frozen=True)
class Reload:
    """Reload a model from the store: from the worker that got the request, through the supervisor, to all others."""

    name: str
