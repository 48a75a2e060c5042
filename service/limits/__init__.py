"""What one process may use at most: threads for each kind of work, and bytes for all requests. Knows no HTTP."""

from service.limits.errors import LimitReached, MemoryFull, PoolFull
from service.limits.in_flight import COUNTED_BYTES, InFlightBytes
from service.limits.pool import Abandoned, Check, Pool, Pools, Work, go_on

__all__ = [
    "COUNTED_BYTES",
    "Abandoned",
    "Check",
    "InFlightBytes",
    "LimitReached",
    "MemoryFull",
    "Pool",
    "PoolFull",
    "Pools",
    "Work",
    "go_on",
]
