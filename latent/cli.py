"""The entry point: one application, one exit code, one line where something is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

import typer

from latent import doctor_command, models_command, serve_command, train_command, verbs_command
from latent.errors import FAILED, INTERRUPTED, sentence
from latent.output import say

app = typer.Typer(
    name="latent",
    help="Autoencoders and VAEs: train them, keep them in a store, serve their latent space.",
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(models_command.app, name="models", rich_help_panel="Models")
train_command.register(app)
serve_command.register(app)
verbs_command.register(app)
doctor_command.register(app)


def _print_version(value: bool) -> None:
    if value:
        say(f"latent {version('latent')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def latent(
    context: typer.Context,
    *,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error came from.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Autoencoders and VAEs: train them, keep them in a store, serve their latent space."""
    context.obj = {"traceback": traceback}
    if context.invoked_subcommand is None:
        say(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave: 0, 2 with one line on stderr, or 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    try:
        code = typer.main.get_command(app).main(args=list(arguments), prog_name="latent", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except SystemExit as leaving:  # completion scripts, and the parser's answer to a pipe that nobody reads
        _forget_stdout()
        return leaving.code if isinstance(leaving.code, int) and leaving.code > 1 else 0
    except Exception as error:
        if "--traceback" in arguments:
            raise
        told = sentence(error) or f"{type(error).__name__}: {error}, which nobody foresaw (--traceback shows where)"
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        sys.stderr.write(f"latent: {' '.join(told.split())}\n")
        return FAILED
    return code if isinstance(code, int) else 0


def _forget_stdout() -> None:
    """Nobody reads it: what is still buffered goes nowhere when the interpreter closes it."""
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    main()
