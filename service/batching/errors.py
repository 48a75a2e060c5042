"""What can become of rows that were given to a queue, but for an answer. Knows no HTTP."""

from __future__ import annotations


class BatchingError(Exception):
    """Rows that get no answer. `str(error)` is one sentence for a person."""


class QueueFull(BatchingError):
    """As many rows wait as may; nothing of these was computed."""


class QueueClosed(BatchingError):
    """The queue is being closed."""


class BatchFailed(BatchingError):
    """The engine failed on these rows, and on no others that ran beside them; `__cause__` is what it raised."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("the engine failed on this request")
        self.__cause__ = cause


class EngineThreadLost(BatchingError):
    """The engine's thread ended in the middle of a call, and is being replaced."""
