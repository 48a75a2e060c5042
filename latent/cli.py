"""The entry point of `latent`: it returns an exit code and prints an error as one line."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from latent.errors import FAILED, INTERRUPTED, CommandError, sentence
from service.environment import strip_blanks

TRACEBACK = "--traceback"
_GC_THRESHOLDS = (50_000, 20, 50)
"""Rare garbage collections: imports make no reference cycles. Python collects every 700 objects, which takes a tenth of
a start."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0, 2 with one line on stderr, or 130 after Ctrl-C."""
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    strip_blanks(os.environ)
    try:
        code = _invoke([argument for argument in arguments if argument != TRACEBACK])  # wherever it stands
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
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
        sys.stderr.write(f"latent: {' '.join(told.split())}\n")
        return FAILED
    return code


def _invoke(arguments: Sequence[str]) -> int:
    import typer  # and whatever else takes its time: an interruption is quiet from the first moment

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


if __name__ == "__main__":
    main()
