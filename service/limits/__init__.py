"""What one process may use at most: threads for each kind of work, and bytes for all requests. Knows no HTTP."""

from service.limits.errors import LimitReached, MemoryFull, PoolFull
from service.limits.in_flight import InFlightBytes
from service.limits.pool import Abandoned, Pool, Pools, Work

__all__ = [
    "Abandoned",
    "InFlightBytes",
    "LimitReached",
    "MemoryFull",
    "Pool",
    "PoolFull",
    "Pools",
    "Work",
]
