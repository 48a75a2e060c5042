"""Loads and frees versions in one thread of its own, so that the event loop goes on, and so does the process' end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from model_store.signatures import TrustedKeys
from service.daemon_threads import DaemonThread
from service.engines import ENGINES, Engine, EngineError, cause_of, create_engine
from service.models.loaded_version import LoadedVersion, call_largest_alone, load_version
from service.models.memory import occupied_bytes, resident_bytes
from service.models.served_model import ServedModel
from service.models.watching import Signature, signature_of
from service.settings import Settings

_END_PATIENCE_S = 5.0
"""How long the end waits for a version that is being loaded: it may never be, where the store hangs."""

log = structlog.get_logger("latent.load")


@dataclass(frozen=True)
class Attempt:
    """The result of loading a version: the loaded version, or an error."""

    files: Signature
    """Signature of the version's files, taken before loading."""
    loaded: LoadedVersion | None = None
    memory_bytes: int = 0
    error: Exception | None = None
    """StoreError, EngineError, or any exception of a runtime."""


class Loader:
    """Loads one version at a time in its thread. Called from the event loop, which it never blocks."""

    def __init__(self, settings: Settings, cpus: int, trusted: TrustedKeys | None = None) -> None:
        """`cpus` is the number of CPUs that this process may use; `trusted` keys must have signed what is loaded."""
        self._settings, self._cpus, self._trusted = settings, cpus, trusted
        self._engines: dict[str, Engine] = {}
        self._thread = DaemonThread("latent-load")

    async def load(self, directory: Path) -> Attempt:
        """Load the version in a directory: verify, compile, replay the goldens, warm up."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._load, directory)

    async def call_largest_alone(self, directory: Path, loaded: LoadedVersion) -> int:
        """Add programs for the largest batch size to a version; return the bytes of memory that they occupy.

        Where that fails, the version is served as it is, and 0 is returned.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._call_largest_alone, directory, loaded
        )

    async def free(self, model: list[ServedModel]) -> None:
        """Free a closed model in the thread, by clearing the list with its last reference: it takes milliseconds."""
        await asyncio.get_running_loop().run_in_executor(self._thread, model.clear)

    def close(self) -> None:
        """Wait some seconds for the version that is being loaded, and cancel the versions that wait."""
        self._thread.close(_END_PATIENCE_S)

    def _load(self, directory: Path) -> Attempt:
        files: Signature = ()
        choice = self._settings.engine
        with suppress(EngineError):  # raised again below; a runtime's own memory must not count as a version's
            self._engine(ENGINES[0] if choice == "auto" else choice)
        try:
            files = signature_of(directory)
            before = resident_bytes()
            loaded = load_version(directory, choice, self._engine, self._settings.max_batch_items, self._trusted)
            memory_bytes = occupied_bytes(loaded.manifest, before, resident_bytes())
        except Exception as error:  # noqa: BLE001 - the caller handles the error, and serves on
            return Attempt(files, error=error)
        return Attempt(files, loaded, memory_bytes)

    def _call_largest_alone(self, directory: Path, loaded: LoadedVersion) -> int:
        before, started = resident_bytes(), time.monotonic()
        reference = f"{loaded.manifest.name}@{loaded.manifest.version}"
        try:
            call_largest_alone(directory, loaded, self._engine(loaded.engine))
        except Exception as error:  # noqa: BLE001 - after any runtime error the version is served as before
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
