"""Errors of the queue and its batches. Knows no HTTP."""

from __future__ import annotations


class BatchingError(Exception):
    """A job gets no result. `str(error)` is one sentence for people."""


class QueueFull(BatchingError):
    """The queue is full; the job was not accepted."""


class QueueClosed(BatchingError):
    """The queue is being closed, because its version is being unloaded."""


class BatchFailed(BatchingError):
    """The engine failed on this job alone; `__cause__` is the engine's exception."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("the engine failed on this request")
        self.__cause__ = cause


class EngineThreadLost(BatchingError):
    """The engine's thread ended during a call, and is being replaced."""
