"""The registry of one store's models: finds and leases the version that a request names, and reports readiness."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import structlog

from model_store import ModelStore
from model_store import errors as store_errors
from model_store.errors import StoreError, StoreUnreadable
from model_store.signatures import TrustedKeys
from model_store.versions import LATEST, Reference, check_name, near, parse_reference
from service.errors import DeadlineExceeded, ModelNotDetermined, NotReady, ShuttingDown, UnknownModel, from_store
from service.models.background import Background
from service.models.following import LOOK_PATIENCE_S, Follower
from service.models.served_model import Clock, ServedModel
from service.models.shelf import Shelf, SwapObserver
from service.models.slots import Model, Selector, Slot
from service.settings import Settings

SETTLE_S = 120.0
"""How long a worker waits for its models before it accepts connections. A store that hangs must not keep it out."""

log = structlog.get_logger("latent.registry")


class Registry:
    """All models of one store. Use it in one event loop; loading and reading the store run in threads of their own."""

    def __init__(self, settings: Settings, observer: SwapObserver) -> None:
        self._settings = settings
        store = ModelStore(settings.store, TrustedKeys.read(settings.trusted_keys))
        self._background = Background()
        self._shelf = Shelf(settings, store, self._background, observer)
        self.resolved: Mapping[str | None, ServedModel] = self._shelf.resolved
        """A cache for the hot path: loaded versions by the references of earlier requests; `get` finds all others.

        A caller that takes a version from here adds one to its `leases`, and calls its `release` once.
        """
        self._follower = Follower(settings, store, self._shelf, self._background)
        self._first_loads: list[asyncio.Task[None]] = []
        self.draining = False
        """True after a stop signal: the process still answers, but is not ready."""
        self.closing = False

    # -- life ----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read the store, begin to load the version of each bare name (unless loading is lazy), begin to watch.

        A store that hangs is not waited for: what it has is served once it answers.
        """
        first = self._follower.begin_look()
        await asyncio.wait({first}, timeout=LOOK_PATIENCE_S)
        if first.done():
            self._begin_loading()
        else:
            first.add_done_callback(self._begin_late)
        if self._settings.watch_s:
            self._background.spawn(self._follower.watch())

    def _begin_late(self, look: asyncio.Task[None]) -> None:
        if not look.cancelled():
            self._begin_loading()

    def _begin_loading(self) -> None:
        if not self._shelf.models and self._follower.error is None:
            log.warning("the store has no such model", only=self._settings.model)
        if self._settings.load == "eager" and not self.closing:
            for model in sorted(self._shelf.models.values(), key=lambda model: model.name != self.default_name):
                self._first_loads.append(self._background.spawn(self._follower.first_load(model)))

    async def settled(self) -> None:
        """Wait until every version that `open` began to load is ready or has failed; not longer than SETTLE_S."""
        if self._first_loads:
            await asyncio.wait(self._first_loads, timeout=SETTLE_S)

    async def close(self) -> None:
        """Stop every queue; waiting requests get ShuttingDown."""
        self.closing = True
        await self._background.close()
        await self._shelf.close()
        self._follower.close()

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def look_pending_s(self) -> float:
        """How long the look at the store that runs now has been running; 0 where none runs."""
        return self._follower.pending_s

    def troubles(self) -> list[str]:
        """What is wrong with reading the store, in sentences; empty where nothing is."""
        return self._follower.troubles()

    def unreadable(self) -> Mapping[str, str]:
        """Directories that are named as models are, are none that is known, and cannot be read; with the reason."""
        return {name: why for name, why in self._shelf.unreadable.items() if name not in self._shelf.models}

    def slots(self) -> Iterator[Slot]:
        """Every known version."""
        return self._shelf.slots()

    def models(self) -> list[Model]:
        """Every known model, sorted by name."""
        return [self._shelf.models[name] for name in sorted(self._shelf.models)]

    async def look(self) -> None:
        """Read versions and aliases from the store, without loading versions or moving names."""
        await self._follower.look()

    async def model(self, name: str) -> Model:
        """A model by name; reads the store if the name is unknown. Raises UnknownModel with near names."""
        if name not in self._shelf.models:
            await self.look()
        if name not in self._shelf.models:
            raise self._unknown(name)
        return self._shelf.models[name]

    async def slot(self, name: str, version: int) -> Slot:
        """A version by name and number; reads the store if it is unknown. Raises UnknownModel."""
        model = await self.model(name)
        if version not in model.slots:
            await self.look()
        slot = model.slots.get(version)
        if slot is None or (slot.removed and not model.serves(slot)):
            known = ", ".join(str(slot.version) for slot in reversed(model.present()))
            raise UnknownModel(f"{name} has no version {version} (it has {known or 'none'})")
        return slot

    @property
    def default_name(self) -> str | None:
        """The model that a request without `model` means; None where several are possible."""
        return self._shelf.default_name

    def unready(self) -> list[str]:
        """Reasons why this process is not ready; empty if the default model, or without one any model, is ready.

        A version that was unloaded to save memory counts as ready: it loads again at its next request.
        """
        if self.draining or self.closing:
            return ["the service is stopping"]
        if not self._shelf.engine_worker.alive:
            return ["the engine is being restarted"]
        if not self._shelf.models and (troubles := self.troubles()):
            return [f"there is no model to serve: {'; '.join(troubles)}"]
        if not self._shelf.models:
            only = f" {self._settings.model!r}" if self._settings.model is not None else ""
            return [f"the store has no model{only}: train one" + ("" if self._settings.watch_s else ", then reload")]
        default = self.default_name
        if default is not None and default not in self._shelf.models:
            unread = self._shelf.unreadable.get(default)
            return [f"the default model {default!r} is not in the store" if unread is None else unread]
        models = [self._shelf.models[default]] if default is not None else list(self._shelf.models.values())
        lazy = self._settings.load == "lazy"
        for model in models:
            for slot in model.served()[:1]:
                if slot.state == "ready" or slot.proven or (lazy and slot.state == "available"):
                    return []
        return [slot.why for model in models for slot in model.served()] or ["no version is served"]

    def _unknown(self, name: str) -> UnknownModel | NotReady:
        """The error of a model that is not known: it is not there, or the store cannot tell."""
        known = sorted(self._shelf.models)
        only = self._settings.model
        if only is not None and name != parse_reference(only).name:
            return UnknownModel(f"{name!r} is not served here (served: {', '.join(near(name, known) or known)})")
        try:
            told = str(store_errors.UnknownModel(check_name(name), near(name, known), known))
        except StoreError as error:
            return UnknownModel(str(error))
        if name in self._shelf.unreadable:
            return NotReady(self._shelf.unreadable[name])
        if self._follower.pending_s > LOOK_PATIENCE_S or isinstance(self._follower.error, StoreUnreadable):
            return NotReady(f"{told}; {self.troubles()[0]}")
        return UnknownModel(told)

    # -- following the store -------------------------------------------------------------------------------

    async def reload(self, name: str, timeout_s: float) -> Model:
        """Move every name of a model to the version that the store gives it now; try failed versions again.

        Raises UnknownModel, NotReady where no version of the model can be served, or DeadlineExceeded: loading then
        goes on.
        """
        task = self._background.spawn(self._follower.reload(name))
        try:
            async with asyncio.timeout(timeout_s):
                model = await asyncio.shield(task)
        except TimeoutError:
            raise DeadlineExceeded(f"{name} was not loaded within {timeout_s:g} s; loading goes on") from None
        if model is None:
            raise self._unknown(name)
        if not any(slot.model is not None for slot in model.served()):
            raise NotReady("; ".join(slot.why for slot in model.served()) or f"{name} has no version to serve")
        return model

    # -- what a request means ------------------------------------------------------------------------------

    async def get(self, reference: str | None, clock: Clock) -> ServedModel:
        """Lease the version that a request names, and load it first if needed, until the deadline.

        The caller calls the version's `release` once.
        Raises UnknownModel, ModelNotDetermined, NotReady, DeadlineExceeded or ShuttingDown.
        """
        if self.closing:
            raise ShuttingDown("the service is stopping")
        wanted = self._reference(reference)
        try:
            async with asyncio.timeout(clock.remaining_s):
                model = await self.model(wanted.name)
                served, lasts = await self._find(model, wanted.selector)
        except TimeoutError:
            raise DeadlineExceeded(f"{wanted} was not loaded before the request's deadline") from None
        served.leases += 1
        if lasts:
            self._shelf.resolved[reference] = served
        self._shelf.fit()
        return served

    async def _find(self, model: Model, selector: int | Selector) -> tuple[ServedModel, bool]:
        """Load the version that a name or a number means; and return whether the answer may be cached in `meant`."""
        if isinstance(selector, int):
            slot = await self.slot(model.name, selector)
            slot.retiring = False  # a request that names this version by its number keeps it loaded
            found = await self._shelf.load_first([slot])
            if found is None:
                raise NotReady(slot.why)
            return found[1], True
        if selector not in (None, LATEST) and selector not in model.aliases:
            await self.look()
            if selector not in model.aliases:
                known = ", ".join([*model.aliases, LATEST])
                raise UnknownModel(f"{model.name} has no alias {selector!r} (it has {known})")
        candidates = model.candidates(selector)
        found = await self._shelf.load_first(candidates)
        if found is None:
            key = model.key(selector)
            if not candidates and key in model.aliases:
                raise NotReady(f"{model.name}@{model.aliases[key]}, which is {key}, does not exist")
            raise NotReady("; ".join(slot.why for slot in candidates) or f"{model.name} has no version")
        slot, served = found
        meant = model.slots.get(model.meaning(selector) or 0)
        if meant is None or meant.state == "failed":
            self._shelf.point(model, selector, slot)
        elif meant.model is not None:
            served = meant.model  # the name may have moved on while this one was loading
        return served, served is model.slots[model.meaning(selector) or 0].model

    def _reference(self, text: str | None) -> Reference:
        text = text if text is not None else self._settings.default_model
        if text is None:
            names = sorted(self._shelf.models)
            if not names:
                raise NotReady("; ".join(self.unready()))
            if len(names) > 1:
                raise ModelNotDetermined(f"the request must name a model: ?model= one of {', '.join(names)}")
            return Reference(names[0])
        try:
            return parse_reference(text)
        except StoreError as error:
            raise from_store(error) from error
