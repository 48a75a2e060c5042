"""Follows the store: when versions are published, promoted, rolled back or removed, names move while requests run.

A new version is loaded beside the version that serves; only then the name moves. A version that cannot be loaded never
gets the name, and does not stop other versions from getting it. A store that hangs, or cannot be read, changes nothing:
what was seen last goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from model_store import ModelStore
from model_store.errors import ModelUnreadable, StoreMissing, StoreUnreadable
from model_store.versions import LATEST, PRODUCTION, parse_reference
from service.daemon_threads import DaemonThread
from service.models.background import Background
from service.models.shelf import Shelf
from service.models.slots import Model, Selector, Slot
from service.models.watching import Found, Snapshot, StorePoller
from service.settings import Settings

LOOK_PATIENCE_S = 2.0
"""How long a look at the store is waited for. A local one takes a millisecond; beyond this it counts as pending."""
_END_PATIENCE_S = 1.0
_MOST_TOLD = 8

log = structlog.get_logger("latent.registry")


class Follower:
    """Updates a shelf to what the store has. Use it in one event loop; the store is read in a thread of its own."""

    def __init__(self, settings: Settings, store: ModelStore, shelf: Shelf, background: Background) -> None:
        self._settings, self._shelf, self._background = settings, shelf, background
        self._only = parse_reference(settings.model) if settings.model is not None else None
        self._eye = StorePoller(store, self._only.name if self._only is not None else None)
        self._thread = DaemonThread("latent-watch")
        self._look: asyncio.Task[None] | None = None
        """The look that runs now."""
        self._look_began = -1.0
        """When the last look began (time.monotonic)."""
        self._following = asyncio.Lock()
        self._changed = asyncio.Event()
        self.error: StoreMissing | StoreUnreadable | None = None
        """Why the store could not be read at the last look that ended."""

    def close(self) -> None:
        """Stop the thread that reads the store, unless it hangs."""
        self._thread.close(_END_PATIENCE_S)

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def pending_s(self) -> float:
        """How long the look that runs now has been running; 0 where none runs."""
        return time.monotonic() - self._look_began if self._look is not None else 0.0

    def troubles(self) -> list[str]:
        """What is wrong with reading the store, in sentences; empty where nothing is."""
        told = [] if self.error is None else [self.error.without_path]
        if self.pending_s > LOOK_PATIENCE_S:
            told.insert(0, f"a look at the store has been pending for {self.pending_s:.0f} s")
        told += self._shelf.unreadable.values()
        told += [model.aliases_error for model in self._shelf.models.values() if model.aliases_error is not None]
        return told if len(told) <= _MOST_TOLD else [*told[:_MOST_TOLD], f"and {len(told) - _MOST_TOLD} more"]

    def begin_look(self) -> asyncio.Task[None]:
        """Begin to read the store, unless a look runs already; return the look that runs."""
        if self._look is None:
            self._look_began = time.monotonic()
            self._look = self._background.spawn(self._read_store())
        return self._look

    async def look(self) -> None:
        """Read versions and aliases from the store, without loading versions or moving names.

        A look that began before this call is waited for, and one more is made, or shared with other calls. None of this
        takes longer than LOOK_PATIENCE_S: then the shelf has what was seen last.
        """
        asked = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, LOOK_PATIENCE_S - self.pending_s)):
                while self._look_began < asked:
                    await asyncio.wait({self.begin_look()})
                if self._look is not None:
                    await asyncio.wait({self._look})

    async def _read_store(self) -> None:
        """Read the store, and apply what is found; this waits for as long as it takes."""
        known = {(slot.name, slot.version) for slot in self._shelf.slots()}
        failed = {
            (slot.name, slot.version): slot.unchanged_files for slot in self._shelf.slots() if slot.state == "failed"
        }
        try:
            snapshot = await asyncio.get_running_loop().run_in_executor(self._thread, self._eye.look, known, failed)
        except (StoreMissing, StoreUnreadable) as error:
            self._say_unread(error)
            return
        finally:
            took_s, self._look = self.pending_s, None
        if self.error is not None or took_s > LOOK_PATIENCE_S:
            log.info("the store can be read again", seconds=round(took_s, 1))
        self.error = None
        if self._take(snapshot):
            self._shelf.resolved.clear()
            self._changed.set()

    # -- following -----------------------------------------------------------------------------------------

    async def first_load(self, model: Model) -> None:
        """Load the version that the bare name of a model means."""
        await self._advance(model, None)
        self._shelf.fit()

    async def watch(self) -> None:
        """Follow the store for ever: every LATENT_WATCH_S, and at once when another look has found a change.

        Looks go on while a version loads, however long that takes.
        """
        moving: asyncio.Task[None] | None = None
        told = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.watch_s):
                    await self._changed.wait()
            self._changed.clear()
            await self.look()
            hangs = self.pending_s > LOOK_PATIENCE_S
            if hangs and not told:
                log.warning("the store does not answer", seconds=round(self.pending_s, 1))
            told = hangs
            if moving is None or moving.done():
                self._changed.clear()
                moving = self._background.spawn(self._follow())

    async def _follow(self) -> None:
        """Move every name in use to the version that the store gives it."""
        async with self._following:
            try:
                for model in list(self._shelf.models.values()):
                    await self._advance_all(model, bare=self._settings.load == "eager")
                self._shelf.fit()
            except Exception:
                log.exception("the store cannot be followed")

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
        self._take_unreadable(snapshot.unreadable)
        for name, found in snapshot.models.items():
            if found.versions and name not in self._shelf.models:
                self._shelf.models[name] = Model(name)
            if name in self._shelf.models:
                changed |= self._take_model(self._shelf.models[name], found, snapshot)
        for name in self._shelf.models.keys() - snapshot.models.keys() - snapshot.unreadable.keys():
            changed |= self._take_model(self._shelf.models[name], Found((), {}), snapshot)
        return changed

    def _take_unreadable(self, errors: Mapping[str, ModelUnreadable]) -> None:
        unreadable = {name: error.without_path for name, error in errors.items()}
        for name, reason in unreadable.items():
            if reason != self._shelf.unreadable.get(name):
                log.warning("model cannot be read", model=name, reason=str(errors[name]))
        self._shelf.unreadable = unreadable
        for name, model in self._shelf.models.items():
            model.unreadable = unreadable.get(name)

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
            told = slot.reason if slot is not None else None
            if slot is None and manifest is not None:
                slot, new = Slot(model.name, version), True
                slot.discover(manifest, files)
                model.slots[version] = slot
            elif slot is not None:
                slot.removed = False
                new = slot.state == "failed" and files is not None and slot.try_again(manifest, files)
            if slot is not None and new and slot.state == "failed" and slot.reason != told:
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

    def _say_unread(self, error: StoreMissing | StoreUnreadable) -> None:
        """Log once why the store cannot be read; loaded versions go on serving."""
        if self.error is None or str(self.error) != str(error):
            log.warning("the store cannot be read", reason=str(error), only=self._settings.model)
        self.error = error
