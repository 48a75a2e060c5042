"""Batching: turns many small requests into few large engine calls. Queue, batch sizes, cost curves, engine thread."""

from __future__ import annotations

from service.batching.cache import CostCache, users_cache_directory
from service.batching.costs import CostCurve
from service.batching.errors import BatchFailed, BatchingError, EngineThreadLost, QueueClosed, QueueFull
from service.batching.program import BucketedProgram, Piece, Rows
from service.batching.queue import Answer, Batcher, Job
from service.batching.worker import EngineWorker

__all__ = [
    "Answer",
    "BatchFailed",
    "Batcher",
    "BatchingError",
    "BucketedProgram",
    "CostCache",
    "CostCurve",
    "EngineThreadLost",
    "EngineWorker",
    "Job",
    "Piece",
    "QueueClosed",
    "QueueFull",
    "Rows",
    "users_cache_directory",
]
