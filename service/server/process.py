"""The server process: binds the port, runs uvicorn, drains on SIGTERM and ends with exit code 0."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.app import create_app
from service.connections.guarded_protocol import GuardedProtocol
from service.daemon_threads import exit_past_stuck_threads
from service.environment import link_in_place_of_port
from service.fast_path.dispatch import Dispatch
from service.fast_path.uvicorn_protocol import FastPathProtocol
from service.log_sink import finish
from service.observability.logs import configure_logging
from service.server.binding import Listeners, PortUnavailable, bind, check_store
from service.server.listener import Listener
from service.server.malloc import keep_freed_memory
from service.server.stop_signals import ending_at_once
from service.settings import Settings, misspelt
from service.verbs.endpoints import POSTS
from service.workers.connection_counts import ConnectionCounts
from service.workers.heartbeats import Heartbeat
from service.workers.orphans import end_with_supervisor

__all__ = ["PortUnavailable", "bind", "run", "work"]

_TICKS_A_SECOND = 10
_GRACE_S = 5.0
"""Seconds that a worker without a supervisor gets to stop beyond its own shutdown timeout."""
_ACCEPTED_AT_ONCE, _SHARED_AT_ONCE = 64, 1
"""Connections accepted in one turn of the event loop: by a single process, and by workers that share a port evenly."""
GC_THRESHOLDS = (50_000, 20, 50)
"""Requests make no reference cycles, and collecting after the usual 700 new objects costs 15 µs a request."""

Connect = Callable[[uvicorn.Config, ServerState, dict[str, Any]], GuardedProtocol]

log = structlog.get_logger("latent.server")


class DrainingServer(uvicorn.Server):
    """A uvicorn server that drains: at the first signal not ready, after the drain delay no new connections.

    Requests in flight are finished.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain_s: float,
        drain: Callable[[], None],
        connect: Connect,
        counts: ConnectionCounts | None,
        heartbeat: Heartbeat | None,
        leave: Callable[[], object],
    ) -> None:
        """`drain` is called at the first signal; `connect` makes the protocol of a connection.

        `leave` is called before the process ends at a signal that comes before anything is listened on.

        `counts` has the connection counts of all workers that accept from the socket, and `heartbeat` is this worker's;
        both are None for a single process.
        """
        super().__init__(config)
        self._connect, self._counts, self._heartbeat, self._leave = connect, counts, heartbeat, leave
        self._drain_s, self._drain, self._draining = drain_s, drain, False
        self._listeners: list[Listener] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn: start to listen. The garbage collector ignores all objects that exist before requests."""
        if self._heartbeat is not None:
            self._heartbeat.begin()
        await super().startup([])
        gc.freeze()
        at_once = _ACCEPTED_AT_ONCE if self._counts is None else _SHARED_AT_ONCE
        connections = self.server_state.connections
        self._listeners = [
            Listener(bound, self._connected, at_once, self._counts, connections.__len__) for bound in sockets or ()
        ]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn: stop accepting connections; uvicorn closes the sockets."""
        for listener in self._listeners:
            await listener.close()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second: count connections; once a second close idle connections."""
        for listener in self._listeners:
            listener.report()
        if counter % _TICKS_A_SECOND == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.hang_up_if_idle(now)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn from its signal handler: begin to drain. A second signal ends the process at once."""
        del frame
        if sig == signal.SIGINT and self._counts is not None:
            return  # Ctrl-C goes to every process of a terminal; the supervisor stops its workers
        # Not kept: uvicorn would raise the signal again, and the exit code would not be 0.
        if not self.started:
            self._leave()
            os._exit(0)
        if self._draining:
            self.should_exit = self.force_exit = True
            return
        self._draining = True
        asyncio.get_running_loop().call_soon_threadsafe(self._begin_to_drain)  # a log line may be half written

    def _begin_to_drain(self) -> None:
        self._drain()
        log.info("stopping", drain_s=self._drain_s)
        asyncio.get_running_loop().call_later(self._drain_s, self._stop)

    def _connected(self) -> GuardedProtocol:
        return self._connect(self.config, self.server_state, self.lifespan.state)

    def _stop(self) -> None:
        self.should_exit = True


def run(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal. `announce` gets the address once it is listened on. Raises CannotStart."""
    listeners = Listeners()

    def leave() -> None:
        listeners.remove_file()
        finish()

    try:
        with ending_at_once(leave):
            check_store(settings.store)
            listeners.open(settings)
            configure_logging(settings)
            _warn_of_variables(settings)
            announce(listeners.addresses)
            if settings.workers > 1:
                from service.workers.supervisor import Supervisor

                Supervisor(settings, listeners.sockets, work).run()
            else:
                _serve(settings, listeners.sockets, leave)
    finally:
        listeners.remove_file()


def _warn_of_variables(settings: Settings) -> None:
    """Name the environment variables that mean nothing, and those that mean something else than they seem to."""
    for name, meant in misspelt(os.environ).items():
        log.warning("unknown setting is ignored", name=name, meant=meant)
    link = link_in_place_of_port(os.environ)
    if link is not None and "port" not in settings.model_fields_set and settings.unix_socket is None:
        log.warning(
            "LATENT_PORT is the address of a Kubernetes Service, so the default port is taken",
            value=link,
            port=settings.port,
            remedy="enableServiceLinks: false in the pod's spec, or --port",
        )


def work(
    settings: Settings,
    sockets: list[socket.socket],
    line: Connection,
    counts: ConnectionCounts,
    heartbeat: Heartbeat,
) -> None:
    """Run one of several workers, in a process of its own; `line` is the pipe to the supervisor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the supervisor's to heed, and was blocked until now
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with ending_at_once(finish):
        end_with_supervisor(settings.drain_s + settings.shutdown_timeout_s + _GRACE_S)
        configure_logging(settings)
        for each in sockets:
            each.setblocking(False)
        _serve(settings, sockets, finish, line, counts, heartbeat)


def _serve(
    settings: Settings,
    sockets: list[socket.socket],
    leave: Callable[[], object],
    line: Connection | None = None,
    counts: ConnectionCounts | None = None,
    heartbeat: Heartbeat | None = None,
) -> None:
    gc.set_threshold(*GC_THRESHOLDS)
    keep_freed_memory()
    app = create_app(settings, line)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )

    def drain() -> None:
        app.state.services.registry.draining = True

    connect = protocol_of(app, settings)
    DrainingServer(config, settings.drain_s, drain, connect, counts, heartbeat, leave).run(sockets=sockets)
    leave()
    exit_past_stuck_threads(0)


def protocol_of(app: FastAPI, settings: Settings) -> Connect:
    """What makes the protocol of a connection to the application, with or without the fast path."""
    guards: dict[str, Any] = {
        "access_log": app.state.access_log,
        "in_flight": app.state.in_flight,
        "head_timeout_s": settings.head_timeout_s,
        "write_timeout_s": settings.write_timeout_s,
    }
    if settings.fast_path == "off":
        return partial(GuardedProtocol, **guards)
    dispatch = Dispatch(app, POSTS, settings.root_path, settings.allowed_origins)
    return partial(FastPathProtocol, dispatch=dispatch, **guards)
