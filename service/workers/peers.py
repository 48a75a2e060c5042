"""A worker's connection to its supervisor, and through it to the other workers: metrics reports and reloads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection

from service.observability.metrics import Report
from service.workers.messages import PeerReports, PeerReportsRequest, Reload, ReportMessage, send

_PATIENCE_S = 2.0
_TELL_S = 5.0


class Peers:
    """Exchanges reports and reloads with the other workers, through the supervisor. Use it in the event loop only."""

    def __init__(self, line: Connection, report: Callable[[], Report]) -> None:
        """`line` is the pipe to the supervisor, `report` makes this worker's report."""
        self._line, self._report = line, report
        self._collected: asyncio.Future[list[Report]] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._reload: Callable[[str], Coroutine[None, None, None]] | None = None
        self._reloading: set[asyncio.Task[None]] = set()

    def open(self, reload: Callable[[str], Coroutine[None, None, None]]) -> None:
        """Listen to the supervisor, and send it a report every few seconds, so that a crash loses few counts.

        `reload` is called with a model's name when another worker was asked to reload it.
        """
        self._reload = reload
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._read)
        self._telling = asyncio.create_task(self._tell())

    def close(self) -> None:
        """Stop listening, and send the supervisor a last report."""
        asyncio.get_running_loop().remove_reader(self._line.fileno())
        if self._telling is not None:
            self._telling.cancel()
        send(self._line, ReportMessage(Report(self._report().counts, None)))

    async def reports(self) -> list[Report]:
        """The reports of the other workers, ended ones included; empty where the supervisor does not answer in time."""
        if self._collected is None:
            self._collected = asyncio.get_running_loop().create_future()
            send(self._line, PeerReportsRequest(self._report()))
        waiting = self._collected
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await asyncio.shield(waiting)
        except TimeoutError:
            self._collected = None
            return []

    def reload(self, name: str) -> None:
        """Tell all other workers to reload a model."""
        send(self._line, Reload(name))

    def _read(self) -> None:
        try:
            message = self._line.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._line.fileno())  # the supervisor has ended
            return
        if isinstance(message, PeerReports):
            if self._collected is not None and not self._collected.done():
                self._collected.set_result(message.reports)
            self._collected = None
        elif isinstance(message, Reload):
            if self._reload is not None:
                task = asyncio.create_task(self._reload(message.name))
                self._reloading.add(task)
                task.add_done_callback(self._reloading.discard)
        else:
            send(self._line, ReportMessage(self._report()))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_S)
            send(self._line, ReportMessage(self._report()))
