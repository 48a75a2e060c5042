"""A cache of version maps: reads a map in a thread, and drops the least recently used ones over a size limit."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from model_store.manifest import Manifest
from service.models import Slot
from service.models.heldout_map import HeldoutMap, read_map
from service.models.version_files import VersionFiles

KEPT_BYTES = 128 << 20


class Maps:
    """A cache of version maps with a size limit. Use it in one event loop.

    A map is dropped with its version, or when room is needed, the least recently used first.
    """

    def __init__(self, files: VersionFiles, max_bytes: int = KEPT_BYTES) -> None:
        self._files, self._max_bytes = files, max_bytes
        self._kept: WeakKeyDictionary[Slot, tuple[str, HeldoutMap]] = WeakKeyDictionary()
        """Each map with the digest of its manifest; the most recently used last."""
        self._reading = asyncio.Lock()

    async def get(self, slot: Slot, manifest: Manifest) -> HeldoutMap:
        """The map of a version, from the cache or from disk. Raises VersionDamaged, or NotReady where the store hangs.

        Only one map is read at a time, which bounds the memory.
        """
        kept = self._kept.get(slot)
        if kept is not None and kept[0] == manifest.digest:
            self._kept[slot] = self._kept.pop(slot)
            return kept[1]
        return await self._files.in_time(self._read(slot, manifest))

    async def _read(self, slot: Slot, manifest: Manifest) -> HeldoutMap:
        async with self._reading:
            kept = self._kept.pop(slot, None)
            if kept is None or kept[0] != manifest.digest:
                directory = self._files.directory(slot.name, slot.version)
                kept = manifest.digest, await self._files.call(read_map, directory, manifest)
            self._kept[slot] = kept
            self._make_room()
            return kept[1]

    @property
    def nbytes(self) -> int:
        """Bytes of all cached maps."""
        return sum(kept.nbytes for _, kept in self._kept.values())

    def _make_room(self) -> None:
        for slot in list(self._kept):
            if self.nbytes <= self._max_bytes:
                return
            del self._kept[slot]
