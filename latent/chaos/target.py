"""The service that is tried: its address, and the models that it serves."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from latent.errors import CommandError
from latent_client import Client, verbs
from latent_client.errors import NotFound
from model_store import Manifest

_LEARN_S = 30.0


@dataclass(frozen=True)
class Address:
    """Where a service listens, and the path before all of its paths."""

    scheme: str
    hostname: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Take a URL apart. Raises CommandError where it is none of a service."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise CommandError(f"{url!r} is no URL ({error})") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandError(f"{url!r} is no URL of a service: expected http://HOST:PORT or https://HOST:PORT")
        if parts.query or parts.fragment or parts.username is not None:
            raise CommandError(f"{url!r} has a user, a query or a fragment: expected http://HOST:PORT[/PREFIX]")
        return cls(
            parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/")
        )

    @property
    def host(self) -> str:
        """Value of the Host header."""
        name = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"{name}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"{self.scheme}://{self.host}{self.prefix}"

    def connect(self, timeout_s: float, receive_bytes: int | None = None) -> socket.socket:
        """Open a connection; `receive_bytes` is the size of its receive buffer. Raises OSError."""
        error: OSError | None = None
        for family, kind, protocol, _, where in socket.getaddrinfo(self.hostname, self.port, type=socket.SOCK_STREAM):
            connection = socket.socket(family, kind, protocol)
            try:
                if receive_bytes is not None:  # it has to be set before the connection is made
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
                connection.settimeout(timeout_s)
                connection.connect(where)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._tls.wrap_socket(connection, server_hostname=self.hostname) if self._tls else connection
            except OSError as failed:
                connection.close()
                error = failed
        raise error or OSError(f"{self.hostname} has no address")

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context() if self.scheme == "https" else None


@dataclass(frozen=True)
class Target:
    """A service and the manifests of the models that it serves."""

    address: Address
    models: tuple[Manifest, ...]

    @classmethod
    def learn(cls, url: str) -> Target:
        """Ask the service what it serves. Raises CommandError or LatentError."""
        address = Address.parse(url)
        documents: list[dict[str, Any]] = []
        with Client(address.url, timeout_s=_LEARN_S, retries=0) as client:
            for model in client.run(verbs.models()):
                with suppress(NotFound):  # no version of it can be served
                    documents.append(client.run(verbs.model(model.name)))
        try:
            served = [document for document in documents if document["state"] != "failed"]
            models = tuple(Manifest.model_validate(document["manifest"]) for document in served)
        except (KeyError, ValidationError) as error:
            raise CommandError(f"{url} answers manifests that this release of latent cannot read") from error
        if not models:
            raise CommandError(f"{url} serves no model now (GET /models says why)")
        return cls(address, models)
