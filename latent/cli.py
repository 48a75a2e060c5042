"""The entry point: one exit code, and one line where something is wrong."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from latent.errors import FAILED, INTERRUPTED, sentence

TRACEBACK = "--traceback"
_GC_THRESHOLDS = (50_000, 20, 50)
"""Importing makes much that stays and nothing in circles; to look for those every 700 objects takes a tenth of a
start."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave: 0, 2 with one line on stderr, or 130 after Ctrl-C."""
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
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

    try:
        command = typer.main.get_command(app)
        code = command.main(args=list(arguments), prog_name="latent", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
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
