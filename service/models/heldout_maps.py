"""A cache of version maps: reads a map in a thread, and drops the least recently used ones over a size limit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from model_store.manifest import Manifest
from service.limits import Pool
from service.models import Slot
from service.models.heldout_map import HeldoutMap, read_map

KEPT_BYTES = 128 << 20


class Maps:
    """A cache of version maps with a size limit. Use it in one event loop.

    A map is dropped with its version, or when room is needed, the least recently used first.
    """

    def __init__(self, store: Path, pool: Pool, max_bytes: int = KEPT_BYTES) -> None:
        """Maps are read from the store in `pool`."""
        self._store, self._pool, self._max_bytes = store, pool, max_bytes
        self._kept: WeakKeyDictionary[Slot, tuple[str, HeldoutMap]] = WeakKeyDictionary()
        """Each map with the digest of its manifest; the most recently used last."""
        self._reading = asyncio.Lock()

    async def get(self, slot: Slot, manifest: Manifest, deadline: float) -> HeldoutMap:
        """The map of a version, from the cache or from disk. Raises VersionDamaged or PoolFull.

        Only one map is read at a time, which bounds the memory.
        """
        async with self._reading:
            kept = self._kept.pop(slot, None)
            if kept is None or kept[0] != manifest.digest:
                directory = self._store / slot.name / str(slot.version)
                kept = manifest.digest, await self._read(directory, manifest, deadline)
            self._kept[slot] = kept
            self._make_room()
            return kept[1]

    async def _read(self, directory: Path, manifest: Manifest, deadline: float) -> HeldoutMap:
        return await self._pool.run(lambda _: read_map(directory, manifest), deadline)

    @property
    def nbytes(self) -> int:
        """Bytes of all cached maps."""
        return sum(kept.nbytes for _, kept in self._kept.values())

    def _make_room(self) -> None:
        for slot in list(self._kept):
            if self.nbytes <= self._max_bytes:
                return
            del self._kept[slot]
