"""The supervisor process: owns the port, starts the worker processes, and replaces those that have died or stand still.

All workers accept from one listening socket, so a connection that is not accepted yet is not lost when a worker dies. A
new worker accepts connections only once its models are loaded.
"""

from __future__ import annotations

import multiprocessing
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog

from service.log_sink import lost_lines
from service.observability.metrics import Counts, Report
from service.settings import Settings
from service.workers.connection_counts import ConnectionCounts, no_counts
from service.workers.heartbeats import Heartbeat
from service.workers.messages import PeerReports, PeerReportsRequest, Reload, ReportMessage, ReportRequest, send
from service.workers.watchdog import Watchdog

Work = Callable[[Settings, list[socket.socket], Connection, ConnectionCounts, Heartbeat], None]

_ANSWER_S = 0.5
_SHORT_LIFE_S = 5.0
"""A worker whose event loop has turned for less than this has failed to start: the next start waits."""
_LONGEST_PAUSE_S = 10.0
_GRACE_S = 5.0
"""Seconds that a worker gets to stop beyond its own shutdown timeout."""

log = structlog.get_logger("latent.supervisor")


@dataclass(eq=False)
class Worker:
    """One worker as the supervisor sees it: a running process, or the pause before the next start."""

    number: int
    process: SpawnProcess | None = None
    line: Connection | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    """When to start the next process (time.monotonic), while there is none."""
    pause_s: float = 0.0
    short_lives: int = 0
    """How many processes in a row have failed to start."""
    watchdog: Watchdog = field(default_factory=lambda: Watchdog(0))
    stood_still: bool = False
    report: Report = field(default_factory=lambda: Report(Counts(), None))


class Supervisor:
    """Keeps a fixed number of workers alive until a stop signal."""

    def __init__(self, settings: Settings, listeners: list[socket.socket], work: Work) -> None:
        """Each worker runs `work`, a module-level function, with the settings, the sockets, a pipe to the supervisor,
        the connection counts of all workers and its heartbeat."""
        self._settings, self._listeners, self._work = settings, listeners, work
        self._context = multiprocessing.get_context("spawn")
        self._workers = [Worker(number) for number in range(settings.workers)]
        shared = self._context.RawArray("i", no_counts(settings.workers))
        self._counts = [ConnectionCounts(shared, worker.number) for worker in self._workers]
        beats = self._context.RawArray("d", settings.workers)
        self._heartbeats = [Heartbeat(beats, worker.number) for worker in self._workers]
        self._look_s = Watchdog(settings.watchdog_s).look_s
        self._looked_at = time.monotonic()
        self._past = Counts()
        self._stop_signals = 0

    def run(self) -> None:
        """Start the workers; return when all have ended after SIGTERM or SIGINT."""
        awake, alarm = socket.socketpair()
        awake.setblocking(False)
        alarm.setblocking(False)
        signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, self._told_to_stop)
        try:
            while not self._stop_signals:
                self._start_due()
                self._listen(awake, self._until_something_is_due())
                self._look_after_all()
            self._end(awake)
        finally:
            signal.set_wakeup_fd(-1)
            for worker in self._workers:
                if worker.process is not None and worker.process.is_alive():
                    worker.process.kill()

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stop_signals += 1

    # -- starting ------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for worker in self._workers:
            if worker.process is None and time.monotonic() >= worker.start_at:
                try:
                    self._start(worker)
                except OSError as error:  # no memory, no process, no descriptor: there may be one later
                    self._plan_next_start(worker, failed=True)
                    log.error(  # noqa: TRY400 - the reason is all there is to say
                        "worker cannot be started",
                        worker=worker.number,
                        reason=error.strerror or str(error),
                        restart_in_s=worker.pause_s,
                    )

    def _start(self, worker: Worker) -> None:
        here, there = self._context.Pipe()
        with closing(there):
            process = self._context.Process(
                target=self._work,
                args=(
                    self._settings,
                    self._listeners,
                    there,
                    self._counts[worker.number],
                    self._heartbeats[worker.number],
                ),
                name=f"latent-worker-{worker.number}",
                daemon=True,
            )
            try:
                with _interrupts_held_back():
                    process.start()
            except OSError:
                here.close()
                raise
        worker.process, worker.line, worker.started_at = process, here, time.monotonic()
        worker.watchdog, worker.stood_still = Watchdog(self._settings.watchdog_s), False
        log.info("worker started", worker=worker.number, pid=process.pid)

    def _plan_next_start(self, worker: Worker, *, failed: bool) -> None:
        worker.short_lives = worker.short_lives + 1 if failed else 0
        worker.pause_s = min(_LONGEST_PAUSE_S, max(0.1, 2 * worker.pause_s)) if failed else 0.0
        worker.start_at = time.monotonic() + worker.pause_s

    def _until_something_is_due(self) -> float | None:
        pauses = [worker.start_at - time.monotonic() for worker in self._workers if worker.process is None]
        if self._look_s is not None:
            pauses.append(self._looked_at + self._look_s - time.monotonic())
        return max(0.0, min(pauses)) if pauses else None

    def _look_after_all(self) -> None:
        """Kill the workers that stand still; their end is noticed as any other's."""
        passed_s = time.monotonic() - self._looked_at
        if self._look_s is None or passed_s < self._look_s:
            return
        self._looked_at += passed_s
        for worker in self._workers:
            if worker.process is None or worker.stood_still:
                continue
            if worker.watchdog.stands_still(self._heartbeats[worker.number].seconds, passed_s):
                log.error("worker stands still", worker=worker.number, pid=worker.process.pid)
                worker.stood_still = True
                worker.process.kill()

    def _reap(self, worker: Worker) -> None:
        """Clean up after a worker that has ended: keep its counts, and plan the next start."""
        if worker.process is None:
            return
        worker.process.join()
        self._counts[worker.number].close()
        if worker.line is not None:
            while worker.line.poll():
                try:
                    self._take(worker, worker.line.recv())
                except (EOFError, OSError):
                    break
            worker.line.close()
        self._past.add(worker.report.counts)
        turned_s = self._heartbeats[worker.number].seconds
        self._heartbeats[worker.number].clear()
        self._plan_next_start(worker, failed=turned_s < _SHORT_LIFE_S and not worker.stood_still)
        if not self._stop_signals:
            log.error(
                "worker died",
                worker=worker.number,
                pid=worker.process.pid,
                exit_code=worker.process.exitcode,
                reason=_reason_of_end(worker),
                lived_s=round(time.monotonic() - worker.started_at, 1),
                failed_starts=worker.short_lives,
                restart_in_s=worker.pause_s,
            )
        worker.process, worker.line, worker.report = None, None, Report(Counts(), None)

    # -- listening -----------------------------------------------------------------------------------------

    def _listen(self, awake: socket.socket, timeout_s: float | None) -> None:
        """Wait for messages of workers, ended processes or a signal, and handle them."""
        lines = {worker.line: worker for worker in self._workers if worker.line is not None}
        ends = {worker.process.sentinel: worker for worker in self._workers if worker.process is not None}
        for ready in wait([awake, *lines, *ends], timeout_s):
            if ready is awake:
                with suppress(BlockingIOError):
                    awake.recv(64)
            elif isinstance(ready, Connection):
                worker = lines[ready]
                try:
                    if not ready.poll():
                        continue  # the message was already read while reports were collected
                    message = ready.recv()
                except (EOFError, OSError):
                    continue  # the end of its process is reported too
                self._take(worker, message)
                if isinstance(message, PeerReportsRequest):
                    self._collect_for(worker)
            elif isinstance(ready, int):
                self._reap(ends[ready])

    def _take(self, worker: Worker, message: object) -> None:
        if isinstance(message, ReportMessage | PeerReportsRequest):
            worker.report = message.report
        elif isinstance(message, Reload):
            for other in self._workers:
                if other is not worker and other.line is not None:
                    send(other.line, message)

    def _collect_for(self, asker: Worker) -> None:
        """Ask all other workers for their reports; a late worker's last report is used instead."""
        others = [worker for worker in self._workers if worker is not asker and worker.line is not None]
        waiting: dict[Connection, Worker] = {}
        for worker in others:
            if worker.line is not None and send(worker.line, ReportRequest()):
                waiting[worker.line] = worker
        deadline, asking = time.monotonic() + _ANSWER_S, [asker]
        while waiting and (left := deadline - time.monotonic()) > 0:
            for ready in wait(list(waiting), left):
                if not isinstance(ready, Connection):
                    continue
                try:
                    message = ready.recv()
                except (EOFError, OSError):
                    waiting.pop(ready)
                    continue
                self._take(waiting[ready], message)
                if isinstance(message, PeerReportsRequest):
                    asking.append(waiting[ready])
                elif isinstance(message, ReportMessage):
                    waiting.pop(ready)
        for worker in asking:
            own = Report(Counts(lost_lines=Counter(lost_lines())), None)
            reports = [Report(self._past, None), own] + [peer.report for peer in self._workers if peer is not worker]
            if worker.line is not None:
                send(worker.line, PeerReports(reports))

    # -- ending --------------------------------------------------------------------------------------------

    def _end(self, awake: socket.socket) -> None:
        """Stop all workers, and wait while they drain; a second signal ends the wait."""
        log.info("stopping", workers=sum(worker.process is not None for worker in self._workers))
        for listener in self._listeners:
            listener.close()
        for worker in self._workers:
            if worker.process is not None:
                worker.process.terminate()
        deadline = time.monotonic() + self._settings.drain_s + self._settings.shutdown_timeout_s + _GRACE_S
        while any(worker.process is not None for worker in self._workers):
            left = deadline - time.monotonic()
            if left <= 0 or self._stop_signals > 1:
                return
            self._listen(awake, left)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let a process that is started here begin with SIGINT blocked.

    Ctrl-C goes to all processes of a terminal: a worker that is importing would print a traceback. It is told to stop
    by the supervisor.
    """
    resource_tracker.ensure_running()  # Python 3.11 unblocks signals when it starts it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _reason_of_end(worker: Worker) -> str:
    """Why a process has ended, in words."""
    code = worker.process.exitcode if worker.process is not None else None
    if worker.stood_still:
        return "its event loop stood still, so the supervisor killed it"
    if code is None or code >= 0:
        return f"it ended by itself with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ", as the kernel does where memory runs out" if -code == signal.SIGKILL else ""
    return f"it was killed by {name}{hint}"
