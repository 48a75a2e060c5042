"""Holds every known version, loads and unloads versions, and moves names from one version to another.

A version is unloaded when no name means it any more, when it is removed from the store, or when memory is short; in
each case only after its last lease has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

import structlog

from model_store import ModelStore
from model_store.errors import FileUnreadable, StoreError
from model_store.files import words
from model_store.machine import cpu_model
from model_store.versions import parse_reference
from service.batching import CostCache, EngineWorker, users_cache_directory
from service.daemon_threads import DaemonThread
from service.engines import EngineError, cause_of
from service.engines.cpus import cpus_of_each, inline_limit_s
from service.models.background import Background
from service.models.loaded_version import LoadedVersion
from service.models.loading import Loader
from service.models.memory import to_unload
from service.models.served_model import POST_LOAD_DELAY_S, Observer, ServedModel
from service.models.slots import Model, Selector, Slot
from service.settings import Settings

_END_PATIENCE_S = 1.0

log = structlog.get_logger("latent.registry")


class SwapObserver(Observer, Protocol):
    """An observer that is also told when a name moves to another version."""

    def observe_swap(self, model: str) -> None:
        """Record that a name of a model moved from one version to another."""


class Shelf:
    """All known models and versions, and the loaded ones among them. Use it in one event loop."""

    def __init__(self, settings: Settings, store: ModelStore, background: Background, observer: SwapObserver) -> None:
        self._settings, self._store, self._background, self._observer = settings, store, background, observer
        self._cpus = cpus_of_each(settings.workers)
        self._loader = Loader(settings, self._cpus, store.trusted)
        self._costs = CostCache(settings.cache_dir or users_cache_directory())
        self._costs_thread = DaemonThread("latent-costs")
        self._machine = {
            "cpu": cpu_model(),
            "threads": str(settings.engine_threads or self._cpus),
            "precision": settings.precision,
        }
        self.engine_worker = EngineWorker()
        self.models: dict[str, Model] = {}
        self.unreadable: dict[str, str] = {}
        """Directories of the store that are named as models are, and cannot be read now, with the reason."""
        self.resolved: dict[str | None, ServedModel] = {}
        """A cache of the loaded version that each reference means; cleared whenever a meaning may have changed."""
        self._over = False
        """Whether loaded versions exceed the memory budget, and none can be unloaded now."""

    @property
    def default_name(self) -> str | None:
        """The model that a request without `model` means; None where several are possible."""
        if self._settings.default_model is not None:
            return parse_reference(self._settings.default_model).name
        return next(iter(self.models)) if len(self.models) == 1 else None

    def slots(self) -> Iterator[Slot]:
        """Every known version."""
        for model in self.models.values():
            yield from model.slots.values()

    async def close(self) -> None:
        """Stop every queue, then the threads; waits some seconds for a version that is being loaded."""
        self.resolved.clear()
        for slot in self.slots():
            if slot.loading is not None:
                slot.loading.cancel()
            if slot.model is not None:
                await slot.model.close()
        self._loader.close()
        self._costs_thread.close(_END_PATIENCE_S)
        self.engine_worker.close()

    # -- loading -------------------------------------------------------------------------------------------

    async def load_first(self, candidates: Sequence[Slot]) -> tuple[Slot, ServedModel] | None:
        """The first of the candidates that is loaded or can be loaded now; None where all fail."""
        for slot in candidates:
            while slot.model is None and slot.state != "failed":
                if slot.loading is None:
                    slot.state, slot.reason = "loading", None
                    slot.loading = asyncio.create_task(self._load(slot))
                await asyncio.shield(slot.loading)
            if slot.model is not None:
                return slot, slot.model
        return None

    async def _load(self, slot: Slot) -> None:
        started, cause = time.monotonic(), None
        attempt = await self._loader.load(self._store.directory(slot.name, slot.version))
        slot.loading = None
        error = attempt.error
        if attempt.loaded is not None:
            self._admit(slot, attempt.loaded, attempt.memory_bytes)
        elif isinstance(error, StoreError | EngineError):
            may_pass = isinstance(error, FileUnreadable)
            slot.fail(f"{type(error).__name__}: {error}", attempt.files, may_pass=may_pass)
            cause = cause_of(error)
        elif isinstance(error, OSError):
            slot.fail(f"it cannot be loaded ({words(error)})", attempt.files, may_pass=True)
            cause = f"{type(error).__name__}: {error}"
        else:
            slot.fail("it cannot be loaded; the service's log has the cause", attempt.files)
            log.error("load failed", model=slot.reference, exc_info=error)
        log.log(
            30 if slot.state == "failed" else 20,
            "version loaded" if slot.state == "ready" else "version failed",
            model=slot.reference,
            engine=slot.model.engine if slot.model else None,
            reason=slot.reason,
            cause=cause,
            memory_bytes=slot.memory_bytes,
            milliseconds=round(1e3 * (time.monotonic() - started)),
        )

    def _admit(self, slot: Slot, loaded: LoadedVersion, memory_bytes: int) -> None:
        slot.manifest = loaded.manifest
        slot.model = ServedModel(
            loaded,
            self.engine_worker,
            queue_items=self._settings.queue_items,
            queue_bytes=self._settings.queue_bytes,
            inline_s=inline_limit_s(self._cpus),
            observer=self._observer,
        )
        slot.state, slot.reason, slot.proven, slot.memory_bytes = "ready", None, True, memory_bytes
        slot.retry_s = 0.0
        self._background.spawn(self._optimize_in_background(slot, slot.model, loaded))
        if loaded.fallback_reason is not None:
            slot.reason = f"runs on {loaded.engine}, because {loaded.fallback_reason}"
            log.warning("engine fell back", model=slot.reference, engine=loaded.engine, reason=loaded.fallback_reason)

    async def _optimize_in_background(self, slot: Slot, model: ServedModel, loaded: LoadedVersion) -> None:
        """Finish a ready version in the background: programs for its largest batch size, then its cost curves."""
        if loaded.encoder.gains_by_batch or loaded.decoder.gains_by_batch:
            await asyncio.sleep(POST_LOAD_DELAY_S)
            if slot.model is not model:
                return
            added = await self._loader.call_largest_alone(self._store.directory(slot.name, slot.version), loaded)
            if slot.model is model and slot.memory_bytes is not None:
                slot.memory_bytes += added
                self.fit()
        await model.calibrate(self._costs, self._machine, self._costs_thread)

    # -- what names mean -----------------------------------------------------------------------------------

    def point(self, model: Model, selector: Selector, slot: Slot) -> None:
        """Move a name to a loaded version, and retire the version that it meant before."""
        before = model.meaning(selector)
        if before == slot.version:
            return
        model.mean(selector, slot)
        slot.retiring = False
        self.resolved.clear()
        if before is None:
            return
        self._observer.observe_swap(model.name)
        key = model.key(selector)
        name = f"{model.name}@{key}" if key is not None else model.name
        log.info("version took over", name=name, model=slot.reference, before=f"{model.name}@{before}")
        old = model.slots.get(before)
        if old is not None:
            if slot.model is not None and not slot.in_use:
                slot.model.last_used = old.used_at
            self.retire(model, old)

    # -- unloading -----------------------------------------------------------------------------------------

    def retire(self, model: Model, slot: Slot) -> None:
        """Unload a version that no name means, after its last lease; forget it if it was removed from the store."""
        if model.serves(slot) or slot.loading is not None:
            return
        if slot.model is None:
            self._forget(model, slot)
        elif slot.in_use:
            slot.retiring = True
            self.resolved.clear()
            slot.model.on_idle = partial(self._idle, model, slot)
        else:
            self._unload(model, slot)

    def _idle(self, model: Model, slot: Slot) -> None:
        """Called when the last lease of a version ends: unload it if it is retiring, then fit the memory budget."""
        if slot.model is not None:
            slot.model.on_idle = None
            if slot.retiring and not model.serves(slot):
                self._unload(model, slot)
        self.fit()

    def _unload(self, model: Model, slot: Slot) -> None:
        served, slot.model = slot.model, None
        if served is None:
            return
        served.on_idle = None
        slot.state, slot.reason, slot.memory_bytes, slot.retiring = "available", None, None, False
        slot.last_used = served.last_used
        self.resolved.clear()
        log.info("version unloaded", model=slot.reference, removed=slot.removed)
        self._background.spawn(self._free([served]))
        self._forget(model, slot)

    async def _free(self, served: list[ServedModel]) -> None:
        await served[0].close()
        await self._loader.free(served)

    def _forget(self, model: Model, slot: Slot) -> None:
        if slot.removed and model.slots.get(slot.version) is slot:
            del model.slots[slot.version]
            if not model.slots:
                self.models.pop(model.name, None)

    def fit(self) -> None:
        """Unload versions until the memory budget is kept, now or when their last leases end."""
        budget_bytes = self._settings.memory_budget_bytes
        if not budget_bytes:
            return
        loaded = [slot for slot in self.slots() if slot.model is not None and not slot.retiring]
        default = self.models.get(self.default_name or "")
        going, fits = to_unload(loaded, budget_bytes, default.served()[:1] if default is not None else [])
        if not fits and not self._over:
            log.warning("over the memory budget", memory_bytes=sum(slot.occupied_bytes for slot in loaded))
        self._over = not fits
        for slot in going:
            self._unload(self.models[slot.name], slot)
        for slot in loaded:
            if slot.model is not None:
                slot.model.on_idle = None if fits else partial(self._idle, self.models[slot.name], slot)
