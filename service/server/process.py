"""The server process: binds the port, runs uvicorn, drains on SIGTERM and ends with exit code 0."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import structlog
import uvicorn
from uvicorn.server import ServerState

from service.app import create_app
from service.connections.guarded_protocol import GuardedProtocol
from service.fast_path.dispatch import Dispatch
from service.fast_path.uvicorn_protocol import FastPathProtocol
from service.observability.logs import configure_logging
from service.server.listener import Listener
from service.server.malloc import keep_freed_memory
from service.settings import Settings, misspelt
from service.verbs.endpoints import POSTS
from service.workers.connection_counts import ConnectionCounts

_TICKS_A_SECOND = 10
_ACCEPTED_AT_ONCE, _SHARED_AT_ONCE = 64, 1
"""Connections accepted in one turn of the event loop: by a single process, and by workers that share a port evenly."""
GC_THRESHOLDS = (50_000, 20, 50)
"""Requests make no reference cycles, and collecting after the usual 700 new objects costs 15 µs a request."""

Connect = Callable[[uvicorn.Config, ServerState, dict[str, Any]], GuardedProtocol]

log = structlog.get_logger("latent.server")


class PortUnavailable(Exception):
    """The address cannot be listened on."""


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
    ) -> None:
        """`drain` is called at the first signal; `connect` makes the protocol of a connection.

        `counts` has the connection counts of all workers that accept from the socket; None for a single process.
        """
        super().__init__(config)
        self._connect, self._counts = connect, counts
        self._drain_s, self._drain, self._draining = drain_s, drain, False
        self._listeners: list[Listener] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn: start to listen. The garbage collector ignores all objects that exist before requests."""
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
        del sig, frame  # not kept: uvicorn would raise the signal again and the exit code would not be 0
        if self._draining:
            self.should_exit = self.force_exit = True
            return
        self._draining = True
        self._drain()
        log.info("stopping", drain_s=self._drain_s)
        asyncio.get_running_loop().call_later(self._drain_s, self._stop)

    def _connected(self) -> GuardedProtocol:
        return self._connect(self.config, self.server_state, self.lifespan.state)

    def _stop(self) -> None:
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket, before any model is loaded. Raises PortUnavailable with the reason."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PortUnavailable(f"cannot listen on {host}:{port} ({error.strerror or error})") from error
    listener.setblocking(False)
    return listener


def _address(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified or address.is_loopback:
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"


def run(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal. `announce` gets the address once the port is bound. Raises PortUnavailable."""
    listener = bind(settings.host, settings.port)
    configure_logging(settings)
    for name, meant in misspelt(os.environ).items():
        log.warning("unknown setting is ignored", name=name, meant=meant)
    host, port = listener.getsockname()[:2]
    announce(_address(host, port))
    if settings.workers > 1:
        from service.workers.supervisor import Supervisor

        Supervisor(settings, listener, work).run()
    else:
        _serve(settings, listener)


def work(settings: Settings, listener: socket.socket, line: Connection, counts: ConnectionCounts) -> None:
    """Run one of several workers, in a process of its own; `line` is the pipe to the supervisor."""
    configure_logging(settings)
    listener.setblocking(False)
    _serve(settings, listener, line, counts)


def _serve(
    settings: Settings, listener: socket.socket, line: Connection | None = None, counts: ConnectionCounts | None = None
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

    guards: dict[str, Any] = {
        "access_log": app.state.access_log,
        "head_timeout_s": settings.head_timeout_s,
        "write_timeout_s": settings.write_timeout_s,
    }
    connect: Connect = partial(GuardedProtocol, **guards)
    if settings.fast_path == "on":
        dispatch = Dispatch(app, POSTS, settings.root_path, settings.allowed_origins)
        connect = partial(FastPathProtocol, dispatch=dispatch, **guards)
    DrainingServer(config, settings.drain_s, drain, connect, counts).run(sockets=[listener])
