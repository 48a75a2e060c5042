"""Stop signals while there is nothing to finish yet: the process ends at once.

Process 1 of a container gets only those signals that it has a handler for, so one is set before anything else is
imported. The standard library alone is imported here, for the same reason.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_at_once(kinds: Sequence[signal.Signals], code: int, before: Callable[[], object] = int) -> None:
    """From now on let each of these signals call `before` and end the process with this exit code.

    A signal that is ignored, as `nohup` and shells make it for what runs in the background, stays so. The process ends
    without an exception, which an import or a destructor could swallow.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        before()
        os._exit(code)

    for kind in kinds:
        if signal.getsignal(kind) is not signal.SIG_IGN:
            signal.signal(kind, leave)


@contextmanager
def ending_at_once(before: Callable[[], object]) -> Iterator[None]:
    """Let stop signals call `before` and end the process with exit code 0, until others handle them in this block."""
    handlers = {kind: signal.getsignal(kind) for kind in STOP_SIGNALS}
    end_at_once(STOP_SIGNALS, 0, before)
    try:
        yield
    finally:
        for kind, handler in handlers.items():
            signal.signal(kind, handler)
