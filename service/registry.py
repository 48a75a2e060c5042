"""Which versions there are, in which state, and which one a request means.

A version is `available` (in the store), `loading`, `ready` or `failed` (with the reason). A failed version never
stands in the way of another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import structlog

from model_store import Manifest, ModelStore
from model_store.errors import StoreError
from model_store.versions import LATEST, PRODUCTION, Reference, near, parse_reference
from service.batching import EngineWorker
from service.cpus import inline_limit_s, usable_cpus
from service.engines import Engine, EngineError, cause_of, create_engine
from service.errors import DeadlineExceeded, ModelNotDetermined, NotReady, ShuttingDown, UnknownModel, from_store
from service.served_model import Clock, LoadedVersion, Observer, ServedModel, load_version
from service.settings import Settings

State = Literal["available", "loading", "ready", "failed"]

_RESOLVED = 1000

log = structlog.get_logger("latent.registry")


@dataclass(eq=False)
class Slot:
    """One version and its state."""

    name: str
    version: int
    manifest: Manifest | None = None
    state: State = "available"
    reason: str | None = None
    model: ServedModel | None = None
    loading: asyncio.Task[None] | None = None

    @property
    def reference(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"

    def fail(self, reason: str) -> None:
        """This version cannot be served."""
        self.state, self.reason = "failed", reason


@dataclass
class Model:
    """A model's versions, and its aliases as they were at start."""

    name: str
    aliases: dict[str, int] = field(default_factory=dict)
    slots: dict[int, Slot] = field(default_factory=dict)
    reason: str | None = None

    def served(self) -> list[Slot]:
        """What the bare name may mean, best first: `production` where it is set, else the newest ready, else newest."""
        if PRODUCTION in self.aliases:
            slot = self.slots.get(self.aliases[PRODUCTION])
            return [slot] if slot else []
        newest = [self.slots[version] for version in sorted(self.slots, reverse=True)]
        return sorted(newest, key=lambda slot: slot.state != "ready")


class Registry:
    """The models of one store. Used from one event loop; loading runs in a thread of its own."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self._settings, self._observer = settings, observer
        self._store = ModelStore(settings.store)
        self._models: dict[str, Model] = {}
        self._engines: dict[str, Engine] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="latent-load")
        self._engine_worker = EngineWorker()
        self._cpus = max(1, usable_cpus() // settings.workers)
        self._resolved: dict[str | None, ServedModel] = {}
        """What references have meant since something last changed."""
        self._start: set[asyncio.Task[ServedModel | None]] = set()
        self.draining = False
        """Set when the process is told to stop: still answering, no longer ready."""
        self.closing = False

    # -- life ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Look at the store; unless loading is lazy, begin to load what each bare name means."""
        self._scan(first=True)
        if self._settings.load == "eager":
            for name in self._models:
                task = asyncio.create_task(self._load_served(name))
                self._start.add(task)
                task.add_done_callback(self._start.discard)

    async def settled(self) -> None:
        """Wait until what `open` began to load is ready or has failed."""
        if self._start:
            await asyncio.wait(self._start)

    async def close(self) -> None:
        """Stop every queue; callers that wait get ShuttingDown."""
        self.closing = True
        for task in self._start:
            task.cancel()
        for slot in self.slots():
            if slot.loading is not None:
                slot.loading.cancel()
            if slot.model is not None:
                await slot.model.close()
        self._loader.shutdown(wait=True, cancel_futures=True)
        self._engine_worker.close()

    # -- looking -------------------------------------------------------------------------------------------

    def slots(self) -> Iterator[Slot]:
        """Every version known."""
        for model in self._models.values():
            yield from model.slots.values()

    def models(self) -> list[Model]:
        """Every model, by name; versions published since are there, as `available`."""
        self._scan(first=False)
        return [self._models[name] for name in sorted(self._models)]

    def model(self, name: str) -> Model:
        """One model. Raises UnknownModel with near names."""
        if name not in self._models:
            self._scan(first=False)
        if name not in self._models:
            try:
                self._store.versions(name)
            except StoreError as error:
                raise from_store(error) from error
            known = sorted(self._models)
            raise UnknownModel(f"{name!r} is not served here (served: {', '.join(near(name, known) or known)})")
        return self._models[name]

    def slot(self, name: str, version: int) -> Slot:
        """One version. Raises UnknownModel."""
        model = self.model(name)
        if version not in model.slots:
            self._scan(first=False)
        if version not in model.slots:
            known = ", ".join(map(str, sorted(model.slots)))
            raise UnknownModel(f"{name} has no version {version} (it has {known})")
        return model.slots[version]

    @property
    def default_name(self) -> str | None:
        """The model that a request without `model` means, where that is determined."""
        if self._settings.default_model is not None:
            return parse_reference(self._settings.default_model).name
        return next(iter(self._models)) if len(self._models) == 1 else None

    def unready(self) -> list[str]:
        """Why this process is not ready, or nothing: the default model, or else any, must be ready."""
        if self.draining or self.closing:
            return ["the service is stopping"]
        if not self._engine_worker.alive:
            return ["the engine is being restarted"]
        if not self._models:
            return [f"the store has no model{_only(self._settings)}: train one, then start again"]
        default = self.default_name
        if default is not None and default not in self._models:
            return [f"the default model {default!r} is not in the store"]
        models = [self._models[default]] if default is not None else list(self._models.values())
        wanted = ("ready", "available") if self._settings.load == "lazy" else ("ready",)
        if any(slot.state in wanted for model in models for slot in model.served()[:1]):
            return []
        return [_why(slot) for model in models for slot in model.served()] or ["no version is served"]

    # -- what a request means ------------------------------------------------------------------------------

    def ready(self, reference: str | None) -> ServedModel | None:
        """The model that a request names, where it is loaded and nothing has to be asked: as `get`, at once."""
        return None if self.closing else self._resolved.get(reference)

    async def get(self, reference: str | None, clock: Clock) -> ServedModel:
        """The model that a request names, loaded if it was not; waits for that until the deadline.

        Raises UnknownModel, ModelNotDetermined, NotReady, DeadlineExceeded or ShuttingDown.
        """
        if self.closing:
            raise ShuttingDown("the service is stopping")
        wanted = self._reference(reference)
        model = self.model(wanted.name)
        if wanted.selector is None:
            candidates = model.served()
            if PRODUCTION in model.aliases and not candidates:
                raise NotReady(f"{model.name}@{model.aliases[PRODUCTION]}, which is {PRODUCTION}, does not exist")
        else:
            candidates = [self.slot(model.name, self._selected(model, wanted.selector))]
        try:
            async with asyncio.timeout(clock.remaining_s):
                served = await self._first_ready(candidates)
        except TimeoutError:
            raise DeadlineExceeded(f"{wanted} was not loaded before the request's deadline") from None
        if served is None:
            raise NotReady("; ".join(_why(slot) for slot in candidates))
        if len(self._resolved) < _RESOLVED:
            self._resolved[reference] = served
        return served

    def _reference(self, text: str | None) -> Reference:
        text = text if text is not None else self._settings.default_model
        if text is None:
            names = sorted(self._models)
            if not names:
                raise NotReady("the store has no model")
            if len(names) > 1:
                raise ModelNotDetermined(f"the request must name a model: ?model= one of {', '.join(names)}")
            return Reference(names[0])
        try:
            return parse_reference(text)
        except StoreError as error:
            raise from_store(error) from error

    def _selected(self, model: Model, selector: int | str) -> int:
        if isinstance(selector, int):
            return selector
        if selector == LATEST:
            return max(model.slots)
        if selector not in model.aliases:
            known = ", ".join([*model.aliases, LATEST])
            raise UnknownModel(f"{model.name} has no alias {selector!r} (it has {known})")
        return model.aliases[selector]

    # -- loading -------------------------------------------------------------------------------------------

    async def _load_served(self, name: str) -> ServedModel | None:
        return await self._first_ready(self._models[name].served())

    async def _first_ready(self, candidates: list[Slot]) -> ServedModel | None:
        for slot in candidates:
            if slot.model is None and slot.state != "failed":
                if slot.loading is None:
                    slot.state = "loading"
                    slot.loading = asyncio.create_task(self._load(slot))
                await asyncio.shield(slot.loading)
            if slot.model is not None:
                return slot.model
        return None

    async def _load(self, slot: Slot) -> None:
        started, cause = time.monotonic(), None
        directory = self._store.directory(slot.name, slot.version)
        choice, items = self._settings.engine, self._settings.max_batch_items
        try:
            loaded = await asyncio.get_running_loop().run_in_executor(
                self._loader, load_version, directory, choice, self._engine, items
            )
        except (StoreError, EngineError) as error:
            slot.fail(f"{type(error).__name__}: {error}")
            cause = cause_of(error)
        except Exception:
            slot.fail("it cannot be loaded; the service's log has the cause")
            log.exception("load failed", model=slot.reference)
        else:
            self._admit(slot, loaded)
        log.log(
            30 if slot.state == "failed" else 20,
            "version loaded" if slot.state == "ready" else "version failed",
            model=slot.reference,
            engine=slot.model.engine if slot.model else None,
            reason=slot.reason,
            cause=cause,
            milliseconds=round(1e3 * (time.monotonic() - started)),
        )

    def _admit(self, slot: Slot, loaded: LoadedVersion) -> None:
        slot.manifest = loaded.manifest
        slot.model = ServedModel(
            loaded,
            self._engine_worker,
            queue_items=self._settings.queue_items,
            inline_s=inline_limit_s(self._cpus),
            observer=self._observer,
        )
        slot.state = "ready"
        self._resolved.clear()
        if loaded.fallback_reason is not None:
            slot.reason = f"runs on {loaded.engine}, because {loaded.fallback_reason}"
            log.warning("engine fell back", model=slot.reference, engine=loaded.engine, reason=loaded.fallback_reason)

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            self._engines[name] = create_engine(
                name, self._settings.engine_threads or self._cpus, self._settings.precision
            )
        return self._engines[name]

    # -- the store -----------------------------------------------------------------------------------------

    def _scan(self, *, first: bool) -> None:
        """Add what is in the store and not known yet. Aliases are those of the start."""
        only = parse_reference(self._settings.model) if self._settings.model is not None else None
        try:
            names = self._store.names()
        except StoreError as error:
            log.warning("the store cannot be read", reason=str(error))
            return
        for name in names if only is None else [name for name in names if name == only.name]:
            model = self._models.get(name)
            if model is None:
                model = self._models[name] = Model(name)
                self._read_aliases(model, only)
            for version in self._store.versions(name):
                if version not in model.slots:
                    model.slots[version] = self._discover(name, version)
                    self._resolved.clear()
        if first and not self._models:
            missing = not self._settings.store.is_dir()
            log.warning(
                "the store does not exist" if missing else "the store has no model",
                store=str(self._settings.store),
                only=self._settings.model,
            )

    def _read_aliases(self, model: Model, only: Reference | None) -> None:
        try:
            model.aliases = self._store.aliases(model.name)
            if only is not None and only.selector is not None:
                model.aliases[PRODUCTION] = self._store.resolve(only)[1]
        except StoreError as error:
            log.warning("aliases cannot be read", model=model.name, reason=str(error))

    def _discover(self, name: str, version: int) -> Slot:
        slot = Slot(name, version)
        try:
            slot.manifest = self._store.manifest(name, version)
        except StoreError as error:
            slot.fail(f"{type(error).__name__}: {error}")
        return slot


def _why(slot: Slot) -> str:
    return f"{slot.reference} is {slot.state}" + (f" ({slot.reason})" if slot.reason else "")


def _only(settings: Settings) -> str:
    return f" {settings.model!r}" if settings.model is not None else ""
