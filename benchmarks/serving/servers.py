"""Who is measured: the command that starts each server, and how a case is put to it."""

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
"""No server: measured beside them."""
OWN_LATENT = (sys.executable, "-m", "latent.cli")
"""The `latent` of the sources that this process runs."""

_UVICORN = (sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port", "{port}")


@dataclass(frozen=True)
class Server:
    """A command that serves HTTP on 127.0.0.1; `{port}` in it is replaced."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/ready"
    """Answers 200 once requests can be answered."""
    npy_suffix: str = ""
    """Of the path that takes npy, where it has a path of its own."""

    def shot(self, case: Case, items: Items) -> Shot:
        """The request that `case` means."""
        media_type = MEDIA_TYPES[case.format]
        path = f"/{case.verb}{self.npy_suffix if case.format == 'npy' else ''}"
        return Shot(path, items.body(case), {"Content-Type": media_type, "Accept": media_type})


def latent(store: Path, command: Sequence[str] = OWN_LATENT, options: Sequence[str] = (), **settings: object) -> Server:
    """`latent serve` in its default settings, but for `settings`: `queue_items=1` for LATENT_QUEUE_ITEMS."""
    own = {f"LATENT_{name.upper()}": str(value) for name, value in settings.items()}
    arguments = ("serve", "--store", str(store), "--port", "{port}", *options)
    return Server(LATENT, (*command, *arguments), own, ready="/readyz")


def naive(version: Path) -> Server:
    """apps/naive.py with the version in that directory."""
    command = (*_UVICORN, "benchmarks.serving.apps.naive:app")
    return Server(NAIVE, command, {"MODEL": str(version), "TF_CPP_MIN_LOG_LEVEL": "3"}, npy_suffix="_npy")


def empty() -> Server:
    """apps/empty.py."""
    return Server(EMPTY, (*_UVICORN, "benchmarks.serving.apps.empty:app"))


def constant() -> Server:
    """apps/constant.py."""
    return Server(CONSTANT, (*_UVICORN, "benchmarks.serving.apps.constant:app"))
