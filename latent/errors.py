"""Errors of the command line, each one line for a person."""

from __future__ import annotations

import sys
from pathlib import Path

FAILED = 2
INTERRUPTED = 130

# Module -> base of the errors that speak for themselves. None of these is imported for the sake of it: an error can
# only have been raised by a module that is loaded.
_TOLD = {
    "latent.errors": "CommandError",
    "model_store.errors": "StoreError",
    "training.errors": "TrainingError",
    "latent_client.errors": "LatentError",
    "service.server.binding": "CannotStart",
    "service.engines.base": "EngineError",
    "service.unstable_names": "IncompatiblePackage",
}


class CommandError(Exception):
    """A command cannot do what it was asked. `str(error)` is one sentence for a person."""


def sentence(error: Exception) -> str | None:
    """Return an error's sentence for a person; None for an unexpected error."""
    told = tuple(getattr(sys.modules[module], name) for module, name in _TOLD.items() if module in sys.modules)
    if isinstance(error, told):
        return _one_line(str(error))
    usage = getattr(error, "format_message", None)  # of the parser, whose classes differ between its versions
    if callable(usage):
        return _usage(error, _one_line(str(usage())))
    if isinstance(error, OSError):
        name = f"{Path(error.filename)}: " if isinstance(error.filename, str) else ""
        return _one_line(f"{name}{(error.strerror or str(error)).lower()}")
    return None


def _usage(error: Exception, message: str) -> str:
    message = (message[:1].lower() + message[1:]).rstrip(".")
    command = getattr(getattr(error, "ctx", None), "command_path", None)
    return f"{message} (see {command} --help)" if command else message


def _one_line(text: str) -> str:
    return " ".join(text.split())
