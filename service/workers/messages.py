"""What workers and their supervisor say to each other."""

from __future__ import annotations

from dataclasses import dataclass

from service.observability.metrics import Report


@dataclass(frozen=True)
class Ask:
    """The supervisor wants a worker's report now."""


@dataclass(frozen=True)
class Tell:
    """A worker's report."""

    report: Report


@dataclass(frozen=True)
class Collect:
    """A worker wants the reports of all others; its own comes with the question."""

    report: Report


@dataclass(frozen=True)
class Collected:
    """Here they are."""

    reports: list[Report]


@dataclass(frozen=True)
class Reload:
    """A model is to follow the store at once: from the worker that was asked to all others."""

    name: str
