"""Sessions that answer verbs, in this process or by a server, both through the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

import httpx
import structlog

from latent.errors import CommandError
from latent.options import Engine
from latent.service_settings import read_settings
from latent_client import AsyncClient, Client, ProblemError, verbs
from latent_client.calls import Call
from model_store import Manifest, ModelStore
from model_store.signatures import TrustedKeys
from model_store.versions import LATEST, parse_reference

T = TypeVar("T")

_PATIENCE_S = 24 * 3600.0
"""Deadline of a call in this process: practically none, as nobody else waits."""
_UNBOUNDED = 10**12


class Session(Protocol):
    """A session that answers calls to one model."""

    @property
    def manifest(self) -> Manifest:
        """Manifest of the version that answers."""

    def run(self, call: Call[T]) -> T:
        """Answer a call of `latent_client.verbs`. Raises LatentError or CommandError."""


class LocalSession:
    """Session with the service's application in this process, without a socket."""

    def __init__(self, reference: str, store: Path, engine: Engine) -> None:
        """Find the version. Raises StoreError if the store has no such model."""
        self._engine = engine
        self._store = ModelStore(store, TrustedKeys.read(read_settings(store=store).trusted_keys))
        name, version = self._store.resolve(reference)
        self._reference = f"{name}@{version}"

    @cached_property
    def manifest(self) -> Manifest:
        """Manifest of the version that answers."""
        reference = parse_reference(self._reference)
        return self._store.manifest(reference.name, int(reference.selector or 0))

    def run(self, call: Call[T]) -> T:
        """Load the version, answer one call, and shut down. A server's limits do not apply here."""
        from training.tensorflow_import import native_noise_dropped

        with native_noise_dropped(), _logs_dropped():
            return asyncio.run(self._run(call))

    async def _run(self, call: Call[T]) -> T:
        from service.app import create_app

        app = create_app(
            read_settings(
                store=self._store.path,
                model=self._reference,
                load="lazy",
                log_level="error",
                engine=self._engine,
                timeout_s=_PATIENCE_S,
                max_timeout_s=_PATIENCE_S,
                body_timeout_s=_PATIENCE_S,
                queue_items=_UNBOUNDED,
                max_items=_UNBOUNDED,
                max_body_bytes=_UNBOUNDED,
                max_output_bytes=_UNBOUNDED,
            )
        )
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with AsyncClient(
                "http://in-process", model=self._reference, timeout_s=_PATIENCE_S, retries=0, transport=transport
            ) as client:
                try:
                    return await client.run(call)
                except ProblemError as problem:
                    raise CommandError(_without_http(problem)) from problem


class RemoteSession:
    """Session with a server over HTTP."""

    def __init__(self, reference: str, url: str, timeout_s: float) -> None:
        """Check the model's name without a request. Raises BadName."""
        self._reference = parse_reference(reference)
        self._url, self._timeout_s = url, timeout_s

    @cached_property
    def manifest(self) -> Manifest:
        """Manifest of the version that answers, from the server."""
        name, version = self._reference.name, self._version()
        document = self.run(verbs.model(name) if version is None else verbs.version(name, version))
        if document.get("manifest") is None:
            raise CommandError(f"{self._url} has no manifest of {self._reference} ({document.get('reason')})")
        return Manifest.model_validate(document["manifest"])

    def run(self, call: Call[T]) -> T:
        """Send the call to the server."""
        with Client(self._url, model=str(self._reference), timeout_s=self._timeout_s) as client:
            return client.run(call)

    def _version(self) -> int | None:
        """Return the version number in the reference; None if the server has to resolve it."""
        selector = self._reference.selector
        if selector is None or isinstance(selector, int):
            return selector
        for model in self.run(verbs.models()):
            for version in reversed(model.versions):
                if model.name == self._reference.name and (selector == LATEST or selector in version.aliases):
                    return version.version
        raise CommandError(f"{self._url} has no {self._reference}")


@contextmanager
def _logs_dropped() -> Iterator[None]:
    """Drop the service's log lines: faults come back as errors."""
    kept = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**kept)


def _without_http(problem: ProblemError) -> str:
    """Return a problem's text without status and request id, as there is no server here."""
    said = problem.detail or problem.title
    for error in problem.errors[:1]:
        if str(error.get("expected")) not in said:
            said += f" (expected {error.get('expected')}, got {error.get('got')})"
    return said
