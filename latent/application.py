"""The `latent` application, with all of its commands."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from latent import doctor_command, models_command, reproduce_command, serve_command, train_command, verbs_command
from latent.chaos import command as chaos_command
from latent.output import say

app = typer.Typer(
    name="latent",
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
train_command.register(app)
reproduce_command.register(app)
serve_command.register(app)
verbs_command.register(app)
app.add_typer(models_command.app, name="models", rich_help_panel="Models")
doctor_command.register(app)
chaos_command.register(app)


def _print_version(value: bool) -> None:
    if value:
        say(f"latent {version('latent')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def latent(
    context: typer.Context,
    *,
    _traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error came from.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Autoencoders and VAEs: train them, keep them in a store, serve their latent space."""
    if context.invoked_subcommand is None:
        say(context.get_help())
