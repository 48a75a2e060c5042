"""The measured servers: the command that starts each one, and the request of a case for each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.cases import MEDIA_TYPES, Case, Items
from benchmarks.serving.wrk import Shot

LATENT = "latent"
NAIVE = "naive"
EMPTY = "empty FastAPI route"
CONSTANT = "ASGI constant"
ENGINE = "the engine alone"
"""The name of the engine without a server, which is measured too."""
OWN_LATENT = (sys.executable, "-m", "latent.cli")
"""The `latent` command of this process's own sources."""

_UVICORN = (sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port", "{port}")


@dataclass(frozen=True)
class Server:
    """A command that serves HTTP on 127.0.0.1; `{port}` in its arguments is replaced."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/ready"
    """The path that answers 200 once the server is ready."""
    npy_suffix: str = ""
    """Suffix of the path for npy requests, where these have a path of their own."""

    def shot(self, case: Case, items: Items) -> Shot:
        """The request of a case for this server."""
        media_type = MEDIA_TYPES[case.format]
        path = f"/{case.verb}{self.npy_suffix if case.format == 'npy' else ''}"
        return Shot(path, items.body(case), {"Content-Type": media_type, "Accept": media_type})


def latent(store: Path, command: Sequence[str] = OWN_LATENT, options: Sequence[str] = (), **settings: object) -> Server:
    """The server `latent serve`; `settings` differ from the defaults: `queue_items=1` sets LATENT_QUEUE_ITEMS."""
    own = {f"LATENT_{name.upper()}": str(value) for name, value in settings.items()}
    arguments = ("serve", "--store", str(store), "--port", "{port}", *options)
    return Server(LATENT, (*command, *arguments), own, ready="/readyz")


def naive(version: Path) -> Server:
    """The server apps/naive.py, with the version in this directory."""
    command = (*_UVICORN, "benchmarks.serving.apps.naive:app")
    return Server(NAIVE, command, {"MODEL": str(version), "TF_CPP_MIN_LOG_LEVEL": "3"}, npy_suffix="_npy")


def empty() -> Server:
    """The server apps/empty.py."""
    return Server(EMPTY, (*_UVICORN, "benchmarks.serving.apps.empty:app"))


def constant() -> Server:
    """The server apps/constant.py."""
    return Server(CONSTANT, (*_UVICORN, "benchmarks.serving.apps.constant:app"))
