"""The maps of versions that were asked for: read in a thread, kept while there is room."""

from __future__ import annotations

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from model_store.manifest import Manifest
from service.models import Slot
from service.models.heldout_map import HeldoutMap, read_map

KEPT_BYTES = 128 << 20


class Maps:
    """Used from one event loop. A map goes when its version goes, or when room is needed: the least recently used
    first."""

    def __init__(self, store: Path, max_bytes: int = KEPT_BYTES) -> None:
        self._store, self._max_bytes = store, max_bytes
        self._kept: WeakKeyDictionary[Slot, tuple[str, HeldoutMap]] = WeakKeyDictionary()
        """With the digest of the manifest; the most recently used last."""
        self._reading = asyncio.Lock()

    async def get(self, slot: Slot, manifest: Manifest) -> HeldoutMap:
        """The map of a version. Raises VersionDamaged. One is read at a time, so memory is bounded meanwhile too."""
        async with self._reading:
            kept = self._kept.pop(slot, None)
            if kept is None or kept[0] != manifest.digest:
                directory = self._store / slot.name / str(slot.version)
                kept = manifest.digest, await asyncio.to_thread(read_map, directory, manifest)
            self._kept[slot] = kept
            self._make_room()
            return kept[1]

    @property
    def nbytes(self) -> int:
        """Memory of all that are kept."""
        return sum(kept.nbytes for _, kept in self._kept.values())

    def _make_room(self) -> None:
        for slot in list(self._kept):
            if self.nbytes <= self._max_bytes:
                return
            del self._kept[slot]
