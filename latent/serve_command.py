"""`latent serve`: the HTTP service, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latent.options import Engine
from latent.output import say
from latent.service_settings import read_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Serving")(serve)


def serve(
    *,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME[@VERSION]", help="Serve this one alone; every model without it."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="HOST", help="Address to listen on. [default: LATENT_HOST, else 127.0.0.1]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="PORT",
            min=0,
            max=65535,
            help="Port; 0 takes a free one. [default: LATENT_PORT, else 8000]",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", min=1, max=256, help="Processes that answer. [default: LATENT_WORKERS, else 1]"
        ),
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option("--engine", help="Runtime. [default: LATENT_ENGINE, else auto]", show_default=False),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="DIR", help="The model store. [default: LATENT_STORE, else ./store]"),
    ] = None,
) -> None:
    """Serve the store over HTTP until Ctrl-C. Options win over LATENT_… variables."""
    from model_store import ModelStore
    from model_store.signatures import TrustedKeys
    from service.server.process import run

    settings = read_settings(model=model, host=host, port=port, workers=workers, engine=engine, store=store)
    TrustedKeys.read(settings.trusted_keys)  # what is wrong with them is said here, in one line
    keeper = ModelStore(settings.store)
    if settings.model is not None and keeper.names():
        keeper.resolve(settings.model)
    run(settings, lambda address: say_at_once(f"Latent serves {settings.store} at {address} (Ctrl-C stops it)"))


def say_at_once(text: str) -> None:
    """Print a line and flush it, for a program that waits for it."""
    import sys

    say(text)
    sys.stdout.flush()
