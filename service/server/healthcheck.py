"""Asks the service beside it whether it is alive: `python -I -m service.server.healthcheck` ends with exit code 0 or 1.

For HEALTHCHECK, every few seconds: it reads the variables that the service reads, by the same rules, and imports the
standard library alone.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing

from service.environment import DEFAULT_PORT, given

_PATIENCE_S = 2.0


class _UnixConnection(http.client.HTTPConnection):
    """A connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        """Called by http.client before the first request."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE_S)
        self.sock.connect(self._path)


def connection_to(environment: Mapping[str, str]) -> http.client.HTTPConnection:
    """A connection to the service that has this environment. Raises ValueError for a port that is no number."""
    variables = {name.upper(): value for name, value in given(environment).items()}
    if path := variables.get("LATENT_UNIX_SOCKET"):
        return _UnixConnection(path)
    host = variables.get("LATENT_HOST", "127.0.0.1").removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass  # a name
    else:
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    return http.client.HTTPConnection(host, int(variables.get("LATENT_PORT", DEFAULT_PORT)), timeout=_PATIENCE_S)


def main() -> int:
    """Ask /livez; return the exit code, and say on stderr why it is not 0."""
    try:
        with closing(connection_to(os.environ)) as connection:
            connection.request("GET", "/livez")
            status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.stderr.write(f"not alive: {str(error) or type(error).__name__}\n")
        return 1
    if status != http.HTTPStatus.OK:
        sys.stderr.write(f"not alive: /livez answers {status}\n")
    return int(status != http.HTTPStatus.OK)


if __name__ == "__main__":
    sys.exit(main())
