"""Many small requests, few large engine calls: the queue, the batch sizes, what they cost, the thread they run in."""

from __future__ import annotations

from service.batching.cache import CostCache
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
]
