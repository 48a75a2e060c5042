"""The messages between worker processes and their supervisor."""

from __future__ import annotations

import select
from dataclasses import dataclass
from multiprocessing.connection import Connection

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


def send(line: Connection, message: object) -> bool:
    """Send a message, unless the other process does not read or has ended; return whether it was sent.

    A pipe that takes something has room for any message (Linux: three quarters of its buffer are free).
    """
    room = select.poll()
    try:
        room.register(line.fileno(), select.POLLOUT)
        if not room.poll(0):
            return False
        line.send(message)
    except OSError:
        return False
    return True
