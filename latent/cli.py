"""The entry point of `latent`. What is imported here comes before stop signals are heeded, so it is next to nothing."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence

from service.server.stop_signals import STOP_SIGNALS, end_at_once

_GC_THRESHOLDS = (50_000, 20, 50)
"""Rare garbage collections: imports make no reference cycles. Python collects every 700 objects, which takes a tenth of
a start."""
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0, 2 with one line on stderr, 130 after Ctrl-C, or 143 after SIGTERM."""
    given = sys.argv[1:] if arguments is None else arguments
    if next((argument for argument in given if not argument.startswith("-")), None) == "serve":
        end_at_once(STOP_SIGNALS, 0)  # a service that is told to stop has done its work
    else:
        end_at_once([signal.SIGTERM], _TERMINATED)
    _open_closed_streams()
    gc.set_threshold(*_GC_THRESHOLDS)
    code = run(given)
    if "service.daemon_threads" in sys.modules:  # a command that loaded a model, from a store that may hang
        sys.modules["service.daemon_threads"].exit_past_stuck_threads(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    try:
        from latent.invocation import invoke

        return invoke(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _open_closed_streams() -> None:
    """Open /dev/null in place of closed standard streams: a socket would take their number and be printed to."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest free number
            setattr(sys, name, os.fdopen(descriptor, "w", closefd=False))


if __name__ == "__main__":
    main()
