"""Invokes a command: an error becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from latent.errors import FAILED, INTERRUPTED, CommandError, sentence
from service.environment import strip_blanks

TRACEBACK = "--traceback"


def invoke(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    strip_blanks(os.environ)
    try:
        code = _run([argument for argument in arguments if argument != TRACEBACK])  # wherever it stands
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except SystemExit as leaving:
        # Completion scripts leave with 0, and the parser itself with 1 where nobody reads the pipe.
        _forget_stdout()
        return leaving.code if isinstance(leaving.code, int) and leaving.code > 1 else 0
    except Exception as error:
        if TRACEBACK in arguments:
            raise
        with suppress(OSError):
            sys.stdout.flush()
        told = sentence(error) or f"{type(error).__name__}: {error} (unforeseen; {TRACEBACK} shows where)"
        with suppress(OSError):
            sys.stderr.write(f"latent: {' '.join(told.split())}\n")
        return FAILED
    return code


def _run(arguments: Sequence[str]) -> int:
    import typer  # here, for what it takes its time

    from latent.application import app

    _refuse_empty_options(arguments)
    try:
        command = typer.main.get_command(app)
        code = command.main(args=list(arguments), prog_name="latent", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _refuse_empty_options(arguments: Sequence[str]) -> None:
    """Refuse `--store ""` and `--store=`, as a script says them whose variable is empty. Raises CommandError."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument == "--":
            return
        name, equals, value = argument.partition("=")
        if not (argument.startswith("--") and equals):
            name, value = before, argument
        if name.startswith("-") and not value.strip():
            raise CommandError(f"{name} has an empty value: give one, or leave {name} out")


def _forget_stdout() -> None:
    """Discard buffered output of a closed stdout, so that the interpreter's exit does not fail on it."""
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
