"""Opens what the service listens on, before any model is loaded, and says in one sentence why it cannot start."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path

from service.daemon_threads import LOOK_PATIENCE_S, call_in_time
from service.settings import Settings


class CannotStart(Exception):
    """The service cannot start as it is set. `str(error)` is one sentence for a person."""


class PortUnavailable(CannotStart):
    """The address cannot be listened on."""


def check_store(store: Path) -> None:
    """Raise CannotStart for a store that is no directory.

    A missing one may still be mounted, and is waited for; so is one that does not answer.
    """
    with suppress(TimeoutError):
        if call_in_time(partial(_is_no_directory, store), LOOK_PATIENCE_S):
            raise CannotStart(f"the store {store} is no directory")


def _is_no_directory(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112 - Path's raise where they may not look


class Listeners:
    """The sockets that the service listens on: a port, a Unix socket, or both."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self._file: tuple[Path, tuple[int, int]] | None = None

    def open(self, settings: Settings) -> None:
        """Open what the settings say: with a Unix socket a port only where one is set. Raises PortUnavailable."""
        if settings.unix_socket is None or "port" in settings.model_fields_set:
            self.sockets.append(bind(settings.host, settings.port))
        if settings.unix_socket is not None:
            path = Path(settings.unix_socket).absolute()
            self.sockets.append(bind_unix(path))
            self._file = (path, _identity(path))

    @property
    def addresses(self) -> str:
        """Where to reach the service, for people."""
        return " and ".join(map(address_of, self.sockets))

    def remove_file(self) -> None:
        """Remove the file of the Unix socket, unless another service has put its own there."""
        if self._file is not None:
            path, identity = self._file
            with suppress(OSError):
                if _identity(path) == identity:
                    path.unlink()


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket on an address or the first IPv4, else IPv6 address of a name.

    Raises PortUnavailable with the reason.
    """
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:  # UnicodeError: no name that the domain name system can have
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise PortUnavailable(f"cannot listen on {place} ({getattr(error, 'strerror', None) or error})") from error
    listener.setblocking(False)
    return listener


def bind_unix(path: Path) -> socket.socket:
    """Open a listening Unix socket that its owner and group may connect to.

    A socket that a killed service left there is removed; one that somebody answers on is not. Raises PortUnavailable
    with the reason.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            listener.bind(os.fspath(path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _remove_stale(path)
            listener.bind(os.fspath(path))
        path.chmod(0o660)  # nobody can connect before it listens
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PortUnavailable(f"cannot listen on {path} ({error.strerror or error})") from error
    listener.setblocking(False)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on. Raises OSError where it is none, or somebody does."""
    if not path.is_socket():
        raise FileExistsError(errno.EEXIST, "it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        try:
            caller.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass  # somebody listens, and has more to do than to answer
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat(follow_symlinks=False)
    return status.st_dev, status.st_ino


def address_of(listener: socket.socket) -> str:
    """The address to open in a browser on this machine; `unix:` and the path of a Unix socket."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified or address.is_loopback:
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"
