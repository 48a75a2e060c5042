"""Bulk session: a version of a store that answers data sets, as `latent.session` answers requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from latent.bulk.engine import BulkModel, load
from latent.bulk.progress import bar
from latent.bulk.run import Summary, run
from latent.bulk.verbs import Verb
from latent.datasets import Dataset
from latent.options import Engine
from latent.service_settings import read_settings
from model_store import Manifest, ModelStore
from model_store.signatures import TrustedKeys


class BulkSession:
    """Session of one version: its manifest is read at once, its networks are loaded by `run`."""

    def __init__(self, reference: str, store: Path, engine: Engine) -> None:
        """Find the version. Raises StoreError if there is none, CommandError for an invalid LATENT_… variable."""
        self._settings, self._engine = read_settings(store=store, engine=engine), engine
        self._store = ModelStore(store, TrustedKeys.read(self._settings.trusted_keys))
        self._name, self._version = self._store.resolve(reference)

    @property
    def reference(self) -> str:
        """NAME@VERSION of the version that answers."""
        return f"{self._name}@{self._version}"

    @cached_property
    def manifest(self) -> Manifest:
        """Manifest of the version that answers."""
        return self._store.manifest(self._name, self._version)

    def run(self, dataset: Dataset, verb: Callable[[BulkModel], Verb], output: Path, *, shown: bool) -> Summary:
        """Load the version and write its answers to a data set into a file, on every CPU of the process.

        `shown` asks for a progress bar, where there is a terminal. Raises CommandError, StoreError or EngineError.
        """
        from service.engines.cpus import usable_cpus

        model = load(
            self._store.directory(self._name, self._version),
            self._engine,
            self._settings.engine_threads or usable_cpus(),
            self._settings.precision,
            self._store.trusted,
        )
        with bar(output.name, dataset.count, shown=shown) as advance:
            return run(dataset, verb(model), output, batch=model.batch, workers=model.workers, advance=advance)
