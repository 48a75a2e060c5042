"""Opens what the service listens on, before any model is loaded, and says in one sentence why it cannot start."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path


class CannotStart(Exception):
    """The service cannot start as it is set. `str(error)` is one sentence for a person."""


class PortUnavailable(CannotStart):
    """The address cannot be listened on."""


def check_store(store: Path) -> None:
    """Raise CannotStart for a store that is no directory. A missing one may still be mounted, and is waited for."""
    if os.path.exists(store) and not os.path.isdir(store):  # noqa: PTH110, PTH112 - Path's raise where they may not look
        raise CannotStart(f"the store {store} is no directory")


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


def address_of(listener: socket.socket) -> str:
    """The address to open in a browser on this machine."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified or address.is_loopback:
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"
