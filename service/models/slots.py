"""The state of a version (Slot), and the names and versions of a model (Model). No I/O, no waiting.

A name of a model is an alias, `latest`, or nothing (the bare name). The store says where a name *should* point
(`wanted`); where it *does* point (`serving`) changes only once the wanted version has been loaded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from model_store import Manifest
from model_store.errors import FileUnreadable, StoreError
from model_store.versions import LATEST, PRODUCTION
from service.models.served_model import ServedModel
from service.models.watching import Signature

_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 60.0

State = Literal["available", "loading", "ready", "failed"]
Selector = str | None
"""An alias, `latest`, or None for the bare name."""


@dataclass(eq=False)
class Slot:
    """One version and its state: `available` (in the store), `loading`, `ready` or `failed` (with the reason)."""

    name: str
    version: int
    manifest: Manifest | None = None
    state: State = "available"
    reason: str | None = None
    model: ServedModel | None = None
    memory_bytes: int | None = None
    """Memory of the version while it is loaded."""
    loading: asyncio.Task[None] | None = None
    proven: bool = False
    """The version was loaded before, so it is expected to load again when a request needs it."""
    removed: bool = False
    """The version is no longer in the store."""
    retiring: bool = False
    """The version is unloaded when its last lease ends."""
    last_used: float = 0.0
    """When a request last used the version (time.monotonic); valid while it is not loaded."""
    failed_files: Signature | None = None
    """Signature of the files that failed: the version is not tried again until its files change."""
    seen_files: Signature | None = None
    """Signature of the files at the last look: files that still change are not tried."""
    retry_at: float | None = None
    """When to try a failed version again though its files have not changed (time.monotonic): its failure may pass."""
    retry_s: float = 0.0
    """The last wait before such a try; the next one is twice as long."""

    @property
    def reference(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"

    @property
    def used_at(self) -> float:
        """When a request last used the version (time.monotonic)."""
        return self.model.last_used if self.model is not None else self.last_used

    @property
    def in_use(self) -> bool:
        """Whether a request has a lease on the version now."""
        return self.model is not None and self.model.leases > 0

    @property
    def occupied_bytes(self) -> int:
        """Memory of the version; 0 while it is not loaded."""
        return self.memory_bytes or 0

    @property
    def why(self) -> str:
        """The version's state and reason, as text for people."""
        return f"{self.reference} is {self.state}" + (f" ({self.reason})" if self.reason else "")

    @property
    def unchanged_files(self) -> Signature | None:
        """The files with which a failed version is not to be tried again; None where a try is due in any case."""
        return None if self._due else self.failed_files

    @property
    def _due(self) -> bool:
        return self.retry_at is not None and time.monotonic() >= self.retry_at

    def fail(self, reason: str, files: Signature, *, may_pass: bool = False) -> None:
        """Mark this version as failed, until its files change; where the failure may pass by itself, for some time."""
        self.state, self.reason, self.proven = "failed", reason, False
        self.failed_files = self.seen_files = files
        self.retry_s = min(_LONGEST_RETRY_S, max(_FIRST_RETRY_S, 2 * self.retry_s)) if may_pass else 0.0
        self.retry_at = time.monotonic() + self.retry_s if may_pass else None

    def discover(self, manifest: Manifest | StoreError, files: Signature | None) -> None:
        """Take the version's manifest from the store, or the error of reading it with the signature of its files."""
        if isinstance(manifest, StoreError):
            self.manifest = None
            may_pass = isinstance(manifest, FileUnreadable)
            self.fail(f"{type(manifest).__name__}: {manifest}", files or (), may_pass=may_pass)
        else:
            self.manifest, self.state, self.reason = manifest, "available", None

    def try_again(self, manifest: Manifest | StoreError | None, files: Signature) -> bool:
        """Make a failed version available again if its files have changed, and are the same as at the last look.

        Also where it is due to be tried again.
        """
        if manifest is None or files == self.unchanged_files:
            return False
        settled, self.seen_files = files == self.seen_files, files
        if settled:
            self.discover(manifest, files)
        return settled


@dataclass
class Model:
    """A model: its versions, its aliases in the store, and the version that each of its names means now."""

    name: str
    aliases: dict[str, int] = field(default_factory=dict)
    aliases_error: str | None = None
    """Why the aliases could not be read at the last look; `aliases` is then from an earlier look."""
    unreadable: str | None = None
    """Why the model's directory could not be read at the last look; versions and aliases are then from an earlier."""
    slots: dict[int, Slot] = field(default_factory=dict)
    serving: dict[Selector, int] = field(default_factory=dict)
    """The version that each name in use means, by `key`."""
    told: str | None = None
    """The value of `held_back` that was logged last."""

    # -- names ---------------------------------------------------------------------------------------------

    def key(self, selector: Selector) -> Selector:
        """The key of a name in `serving`: the bare name is the alias `production` where that alias is set."""
        return PRODUCTION if selector is None and PRODUCTION in self.aliases else selector

    def take_aliases(self, aliases: Mapping[str, int]) -> None:
        """Take the store's aliases. The bare name keeps its version until the new one is loaded."""
        before = self.key(None)
        self.aliases = dict(aliases)
        after = self.key(None)
        if before != after and before in self.serving:
            self.serving.setdefault(after, self.serving.pop(before))
        for alias in [key for key in self.serving if key not in (None, LATEST) and key not in self.aliases]:
            del self.serving[alias]

    def wanted(self, selector: Selector) -> list[Slot]:
        """Versions that the store gives a name, best first: one, or for the bare name without alias newest first."""
        key = self.key(selector)
        if key is None:
            return self.present()
        if key == LATEST:
            return self.present()[:1]
        slot = self.slots.get(self.aliases[key]) if key in self.aliases else None
        return [slot] if slot is not None and not slot.removed else []

    def candidates(self, selector: Selector) -> list[Slot]:
        """Versions that may answer a request for a name: the one that serves, then those that the store gives."""
        serving = self.meaning(selector)
        first = [self.slots[serving]] if serving is not None else []
        return first + [slot for slot in self.wanted(selector) if slot not in first]

    def served(self) -> list[Slot]:
        """Versions that may answer a request for the bare name, best first."""
        return self.candidates(None)

    def meaning(self, selector: Selector = None) -> int | None:
        """The version that a name means now; None if no request has used the name yet."""
        return self.serving.get(self.key(selector))

    def mean(self, selector: Selector, slot: Slot) -> None:
        """Make a name mean this version from now on."""
        self.serving[self.key(selector)] = slot.version

    def aliases_of(self, version: int) -> list[str]:
        """Aliases that mean a version now, sorted; an alias keeps its version until the store's new one is loaded."""
        return sorted(alias for alias, wanted in self.aliases.items() if self.serving.get(alias, wanted) == version)

    # -- versions ------------------------------------------------------------------------------------------

    def present(self) -> list[Slot]:
        """Versions that are in the store, newest first."""
        return [self.slots[version] for version in sorted(self.slots, reverse=True) if not self.slots[version].removed]

    def serves(self, slot: Slot) -> bool:
        """Whether a name in use means this version."""
        return slot.version in self.serving.values()

    @property
    def held_back(self) -> str | None:
        """Why a name does not mean the version that the store gives it; None where every name does."""
        said = [self._held_back(key) for key in {*self.serving, self.key(None)}]
        return "; ".join(sorted(filter(None, said))) or None

    def _held_back(self, key: Selector) -> str | None:
        wanted, serving = self.wanted(key), self.serving.get(key)
        if wanted and (serving is None or wanted[0].version == serving):
            return None
        name = self.name if key is None else f"{self.name}@{key}"
        if wanted:
            why = wanted[0].why
        else:
            why = f"{self.name}@{self.aliases[key]} does not exist" if key in self.aliases else "there is no other"
        return f"{name} cannot be served: {why}" if serving is None else f"{name} goes on as version {serving}: {why}"

    @property
    def reason(self) -> str | None:
        """What is wrong with the model's names, or None."""
        return "; ".join(filter(None, (self.unreadable, self.aliases_error, self.held_back))) or None
