"""A version loaded for throughput: each CPU works on a batch of its own, and any thread may call it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np

from latent.options import Engine as EngineChoice
from model_store.arrays import Float32
from model_store.artefacts import ScannedArtefact
from model_store.manifest import Manifest
from model_store.signatures import TrustedKeys
from service.engines import Engine, EngineError, Precision, Program, create_engine
from service.engines.base import BoundCall, infer_in_calls_of
from service.models.loaded_version import Refusal, prove_first
from service.models.served_model import Posterior

Rows = Mapping[str, Float32]

_BATCH_ITEMS = 256
_BATCH_BYTES = 4 << 20


@dataclass(frozen=True)
class BulkModel:
    """Both halves of a version. Every call is padded to one batch size, as engines compile each new size."""

    manifest: Manifest
    encoder: Program
    decoder: Program
    batch: int
    """Items in one call."""
    workers: int
    """Threads that keep the engine busy."""

    @property
    def reference(self) -> str:
        """NAME@VERSION of the version that answers."""
        return f"{self.manifest.name}@{self.manifest.version}"

    def encode(self, x: Float32, condition: Rows) -> Posterior:
        """Encode at most `batch` items (n, …), in the network's units, to their posterior. Raises EngineError."""
        rows = self._infer(self.encoder, {"x": x, **condition})
        if self.manifest.latent.distribution == "gaussian":
            return Posterior(rows["z_mean"], rows["z_log_var"])
        return Posterior(rows["z"], None)

    def decode(self, z: Float32, condition: Rows) -> Float32:
        """Decode at most `batch` codes (n, d) to outputs in the network's units. Raises EngineError."""
        return self._infer(self.decoder, {"z": z, **condition})["outputs"]

    def _infer(self, program: Program, rows: Rows) -> Rows:
        try:
            return infer_in_calls_of(self.batch, program, rows)
        except Exception as error:
            n = len(next(iter(rows.values())))
            raise EngineError(f"the engine fails on a batch of {n} items ({type(error).__name__})") from error


def load(
    directory: Path,
    choice: EngineChoice,
    threads: int,
    precision: Precision = "f32",
    trusted: TrustedKeys | None = None,
) -> BulkModel:
    """Verify a version, load it on the chosen engine, and replay its goldens.

    With `trusted` keys, one of them must have signed it.

    Raises VersionDamaged, or EngineError where no engine that may be used reproduces the goldens.
    """
    with ExitStack() as quiet:
        get_engine = partial(_engine, threads=threads, precision=precision, quiet=quiet)
        proven = prove_first(directory, choice, get_engine, _said_by_nobody, _batch_items, trusted)
    manifest = proven.manifest
    return BulkModel(manifest, proven.encoder, proven.decoder, _batch_items(manifest), threads + 1)


def _said_by_nobody(_manifest: Manifest, _refusal: Refusal) -> None:
    """Ignore that an engine refused the version: the command uses the next one, without a message."""


def _engine(name: str, threads: int, precision: Precision, quiet: ExitStack) -> Engine:
    if name == "openvino":
        try:
            from service.engines.openvino_streams import OpenVinoStreamsEngine
        except ImportError as error:
            raise EngineError(f"the {name} engine is not installed ({error.name})") from error
        return OpenVinoStreamsEngine(threads, precision)
    from training.tensorflow_import import native_noise_dropped

    quiet.enter_context(native_noise_dropped())
    return _OneByOne(create_engine(name, threads, precision))


def _batch_items(manifest: Manifest) -> int:
    """Choose the items of a batch: the fastest number for small items, fewer for large ones, which need memory."""
    item_bytes = 4 * int(np.prod(manifest.input.shape))
    return max(1, min(_BATCH_ITEMS, _BATCH_BYTES // item_bytes))


class _OneByOne:
    """Wraps an engine that uses all threads in every call: its programs take one caller at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.name, self.precision = engine, engine.name, engine.precision

    def load(self, artefact: ScannedArtefact, batch: int | None = None) -> Program:
        return _Guarded(self._engine.load(artefact, batch))


class _Guarded:
    gains_by_batch = False

    def __init__(self, program: Program) -> None:
        self._program, self._lock = program, Lock()
        self.input_names, self.output_names = program.input_names, program.output_names

    def infer(self, inputs: Rows) -> dict[str, Float32]:
        with self._lock:
            return self._program.infer(inputs)

    def bind(self, inputs: Rows) -> BoundCall:
        return BoundCall(self._program.bind(inputs).names, partial(self.infer, inputs))
