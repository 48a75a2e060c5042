"""Loading and letting go of versions: in one thread of its own, which knows the engines."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.engines import ENGINES, Engine, EngineError, cause_of, create_engine
from service.models.loaded_version import LoadedVersion, call_largest_alone, load_version
from service.models.memory import occupied_bytes, resident_bytes
from service.models.served_model import ServedModel
from service.models.watching import Signature, signature_of
from service.settings import Settings

log = structlog.get_logger("latent.load")


@dataclass(frozen=True)
class Attempt:
    """What became of loading a version."""

    files: Signature
    """As they were before."""
    loaded: LoadedVersion | None = None
    memory_bytes: int = 0
    error: Exception | None = None
    """StoreError or EngineError, or whatever a runtime raised."""


class Loader:
    """Loads one version at a time. Called from the event loop, which it never holds up."""

    def __init__(self, settings: Settings, cpus: int) -> None:
        """`cpus` is how many this process may use."""
        self._settings, self._cpus = settings, cpus
        self._engines: dict[str, Engine] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="latent-load")

    async def load(self, directory: Path) -> Attempt:
        """Verify, compile, prove and warm the version in a directory."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._load, directory)

    async def call_largest_alone(self, directory: Path, loaded: LoadedVersion) -> int:
        """Give a version a program for its largest batches, and say what that occupies.

        Where it cannot be had, the version is served as it is.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._call_largest_alone, directory, loaded
        )

    async def let_go(self, model: list[ServedModel]) -> None:
        """Empty the list of the last reference to a closed model: freeing compiled networks takes milliseconds."""
        await asyncio.get_running_loop().run_in_executor(self._thread, model.clear)

    def close(self) -> None:
        """Wait for the version that is being loaded; the rest is not begun."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _load(self, directory: Path) -> Attempt:
        files: Signature = ()
        choice = self._settings.engine
        with suppress(EngineError):  # said when it is needed; what a runtime itself occupies is no version's memory
            self._engine(ENGINES[0] if choice == "auto" else choice)
        try:
            files = signature_of(directory)
            before = resident_bytes()
            loaded = load_version(directory, choice, self._engine, self._settings.max_batch_items)
            memory_bytes = occupied_bytes(loaded.manifest, before, resident_bytes())
        except Exception as error:  # noqa: BLE001 - the caller says what it means, and serves on
            return Attempt(files, error=error)
        return Attempt(files, loaded, memory_bytes)

    def _call_largest_alone(self, directory: Path, loaded: LoadedVersion) -> int:
        before, started = resident_bytes(), time.monotonic()
        reference = f"{loaded.manifest.name}@{loaded.manifest.version}"
        try:
            call_largest_alone(directory, loaded, self._engine(loaded.engine))
        except Exception as error:  # noqa: BLE001 - whatever a runtime raised, the version is served as it was
            log.warning("no program for the largest batch", model=reference, reason=str(error), cause=cause_of(error))
            return 0
        after = resident_bytes()
        added = 0 if before is None or after is None else max(0, after - before)
        milliseconds = round(1e3 * (time.monotonic() - started))
        log.info("program for the largest batch", model=reference, memory_bytes=added, milliseconds=milliseconds)
        return added

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            self._engines[name] = create_engine(
                name, self._settings.engine_threads or self._cpus, self._settings.precision
            )
        return self._engines[name]
