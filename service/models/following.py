"""Follows the store: when versions are published, promoted, rolled back or removed, names move while requests run.

A new version is loaded beside the version that serves; only then the name moves. A version that cannot be loaded never
gets the name, and does not stop other versions from getting it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from model_store import ModelStore
from model_store.errors import StoreError, StoreMissing
from model_store.versions import LATEST, PRODUCTION, parse_reference
from service.models.shelf import Shelf
from service.models.slots import Model, Selector, Slot
from service.models.watching import Found, Snapshot, StorePoller
from service.settings import Settings

log = structlog.get_logger("latent.registry")


class Follower:
    """Updates a shelf to what the store has. Use it in one event loop; the store is read in a thread of its own."""

    def __init__(self, settings: Settings, store: ModelStore, shelf: Shelf) -> None:
        self._settings, self._shelf = settings, shelf
        self._only = parse_reference(settings.model) if settings.model is not None else None
        self._eye = StorePoller(store, self._only.name if self._only is not None else None)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="latent-watch")
        self._looking, self._following = asyncio.Lock(), asyncio.Lock()
        self._looked_at = 0.0
        self._changed = asyncio.Event()
        self._unread: str | None = None

    def close(self) -> None:
        """Stop the thread that reads the store; call it when no look is running."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    # -- looking -------------------------------------------------------------------------------------------

    def first_look(self) -> None:
        """Read the store once, before any version is served."""
        try:
            self._take(self._eye.look())
        except StoreMissing as error:
            self._say_unread(error)
        if not self._shelf.models and self._unread is None:
            log.warning("the store has no such model", only=self._settings.model)

    async def look(self) -> None:
        """Read versions and aliases from the store, without loading versions or moving names."""
        asked = time.monotonic()
        async with self._looking:
            if self._looked_at > asked:
                return  # another call's look began after this call
            self._looked_at = time.monotonic()
            known = {(slot.name, slot.version) for slot in self._shelf.slots()}
            failed = {
                (slot.name, slot.version): slot.failed_files for slot in self._shelf.slots() if slot.state == "failed"
            }
            try:
                snapshot = await asyncio.get_running_loop().run_in_executor(self._thread, self._eye.look, known, failed)
            except StoreMissing as error:
                self._say_unread(error)
                return
            self._unread = None
            if self._take(snapshot):
                self._shelf.resolved.clear()
                self._changed.set()

    # -- following -----------------------------------------------------------------------------------------

    async def first_load(self, model: Model) -> None:
        """Load the version that the bare name of a model means."""
        await self._advance(model, None)
        self._shelf.fit()

    async def watch(self) -> None:
        """Follow the store for ever: every LATENT_WATCH_S, and at once when another look has found a change."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.watch_s):
                    await self._changed.wait()
            try:
                await self.follow()
            except Exception:
                log.exception("the store cannot be followed")

    async def follow(self) -> None:
        """Read the store, and move every name in use to the version that the store gives it."""
        async with self._following:
            await self.look()
            self._changed.clear()
            for model in list(self._shelf.models.values()):
                await self._advance_all(model, bare=self._settings.load == "eager")
            self._shelf.fit()

    async def reload(self, name: str) -> Model | None:
        """Follow the store now for one model, and try its failed versions again; None for an unknown model."""
        async with self._following:
            await self.look()
            model = self._shelf.models.get(name)
            if model is None:
                return None
            for selector in {*model.serving, None}:
                for slot in model.wanted(selector):
                    if slot.version == model.meaning(selector):
                        break
                    if slot.state == "failed":
                        slot.state, slot.reason = "available", None
            await self._advance_all(model, bare=True)
            self._shelf.fit()
            return model

    async def _advance_all(self, model: Model, *, bare: bool) -> None:
        if not model.present():
            model.serving.clear()
            self._shelf.resolved.clear()
        for selector in {*model.serving, *([None] if bare else [])}:
            await self._advance(model, selector)
        for slot in [slot for slot in model.slots.values() if slot.removed]:
            self._shelf.retire(model, slot)
        held_back = model.held_back
        if held_back != model.told:
            model.told = held_back
            if held_back is not None:
                log.warning("model held back", model=model.name, reason=held_back)

    async def _advance(self, model: Model, selector: Selector) -> None:
        """Load the version that the store gives a name, beside the one that serves; then move the name."""
        for slot in model.wanted(selector):
            if slot.version == model.meaning(selector) and slot.state != "failed":
                return
            if await self._shelf.load_first([slot]) is None:
                continue
            if slot in model.wanted(selector):
                self._shelf.point(model, selector, slot)
            else:
                self._shelf.retire(model, slot)  # the store changed meanwhile: the next look loads the right version
            return

    # -- applying a snapshot -------------------------------------------------------------------------------

    def _take(self, snapshot: Snapshot) -> bool:
        """Apply a snapshot of the store to the shelf; return whether anything changed."""
        changed = False
        for name, found in snapshot.models.items():
            if found.versions and name not in self._shelf.models:
                self._shelf.models[name] = Model(name)
            if name in self._shelf.models:
                changed |= self._take_model(self._shelf.models[name], found, snapshot)
        for name in self._shelf.models.keys() - snapshot.models.keys() - snapshot.unreadable.keys():
            changed |= self._take_model(self._shelf.models[name], Found((), {}), snapshot)
        return changed

    def _take_model(self, model: Model, found: Found, snapshot: Snapshot) -> bool:
        changed = False
        if found.aliases_error is not None and found.aliases_error != model.aliases_error:
            log.warning("aliases cannot be read", model=model.name, reason=found.aliases_error)
        model.aliases_error = found.aliases_error
        if found.aliases is not None and (aliases := self._aliases(found.aliases, found.versions)) != model.aliases:
            model.take_aliases(aliases)
            changed = True
        for version in found.versions:
            manifest = snapshot.manifests.get((model.name, version))
            files = snapshot.signatures.get((model.name, version))
            slot, new = model.slots.get(version), False
            if slot is None and manifest is not None:
                slot, new = Slot(model.name, version), True
                slot.discover(manifest, files)
                model.slots[version] = slot
            elif slot is not None:
                slot.removed = False
                new = slot.state == "failed" and files is not None and slot.try_again(manifest, files)
            if slot is not None and new and slot.state == "failed":
                log.warning("version failed", model=slot.reference, reason=slot.reason)
            changed |= new
        for slot in [slot for slot in model.slots.values() if slot.version not in found.versions and not slot.removed]:
            slot.removed = changed = True
            log.info("version removed", model=slot.reference, serves=model.serves(slot))
            if slot.model is None:
                self._shelf.retire(model, slot)
        return changed

    def _aliases(self, aliases: Mapping[str, int], versions: Sequence[int]) -> dict[str, int]:
        """The aliases that this service uses: LATENT_MODEL=NAME@SELECTOR makes that version its `production`."""
        selector = self._only.selector if self._only is not None else None
        if isinstance(selector, int):
            return {**aliases, PRODUCTION: selector}
        if selector == LATEST and versions:
            return {**aliases, PRODUCTION: max(versions)}
        if isinstance(selector, str) and selector in aliases:
            return {**aliases, PRODUCTION: aliases[selector]}
        return dict(aliases)

    def _say_unread(self, error: StoreError) -> None:
        """Log once why the store cannot be read; loaded versions go on serving."""
        if self._unread != str(error):
            self._unread = str(error)
            log.warning("the store cannot be read", reason=str(error), only=self._settings.model)
