"""`latent serve`: the HTTP service, in the foreground."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from latent.errors import CommandError
from latent.options import Engine
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
        typer.Option(
            "--store",
            metavar="DIR",
            help="The model store. [default: LATENT_STORE, else ./store]",
            readable=False,
        ),
    ] = None,
) -> None:
    """Serve the store over HTTP until Ctrl-C. Options win over LATENT_… variables."""
    settings = read_settings(model=model, host=host, port=port, workers=workers, engine=engine, store=store)
    from model_store.signatures import TrustedKeys

    TrustedKeys.read(settings.trusted_keys)  # what is wrong with them is said here, in one line
    if settings.model is not None:
        _check_model(settings.store, settings.model)
    from service.server.process import run  # takes its time: what is wrong has been said by now

    try:
        run(settings, lambda address: _announce(f"Latent serves {settings.store} at {address} (Ctrl-C stops it)"))
    except BrokenPipeError as error:  # not of stdout, whose reader may go without an error
        raise CommandError(f"the service has ended ({error})") from error


def _check_model(store: Path, model: str) -> None:
    """Refuse a model that the store does not have, before the port is bound. Raises StoreError.

    A store that cannot be read now, or hangs, is no reason to refuse: the service waits for it.
    """
    from model_store import ModelStore
    from model_store.errors import BadAliases, ModelUnreadable, StoreUnreadable
    from service.daemon_threads import LOOK_PATIENCE_S, call_in_time

    keeper = ModelStore(store)
    with suppress(TimeoutError, BadAliases, ModelUnreadable, StoreUnreadable):
        call_in_time(lambda: keeper.names() and keeper.resolve(model), LOOK_PATIENCE_S)


def _announce(text: str) -> None:
    """Print a line in a thread: the service starts all the same where nobody reads it."""
    from service.log_sink import LogSink

    LogSink(sys.stdout.fileno()).write(f"{text}\n")
