"""Loads a version from disk: verifies it, picks an engine that reproduces its goldens, warms up every batch size.

Steps: verify checksums -> scan both halves -> load them -> replay the goldens -> warm every batch size. Runs in a
thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import structlog

from model_store.arrays import Float32
from model_store.errors import GoldenMismatch, StoreError
from model_store.golden import Golden, read_golden, replay
from model_store.manifest import Manifest, ManifestBody, Tolerance
from model_store.preprocess import one_hot_rows
from model_store.prior import Mixture, read_prior
from model_store.signatures import TrustedKeys
from model_store.verify import DECODER, ENCODER, GOLDEN, PRIOR, Halves, scan_halves, verify_and_scan
from service.batching import BucketedProgram, CostCurve, Rows
from service.engines import ENGINES, Engine, EngineError, Program, cause_of, create_engine
from service.engines.base import infer_in_calls_of
from service.engines.cpus import usable_cpus
from service.settings import EngineChoice

GetEngine = Callable[[str], Engine]

_BFLOAT16 = 0.03

log = structlog.get_logger("latent.load")


@dataclass(frozen=True)
class LoadedVersion:
    """A version loaded on an engine that reproduced its goldens, with its batch sizes and their costs."""

    manifest: Manifest
    prior: Mixture
    engine: str
    encoder: BucketedProgram
    decoder: BucketedProgram
    encoder_costs: CostCurve
    decoder_costs: CostCurve
    fallback_reason: str | None = None
    """Why the engine choice `auto` did not take its first engine; None where it did."""


@dataclass(frozen=True)
class Refusal:
    """The reason why the engine choice `auto` rejected an engine."""

    engine: str
    reason: str
    cause: str | None
    """The runtime's own error, for the log."""

    def __str__(self) -> str:
        return f"{self.engine}: {self.reason}"


@dataclass(frozen=True)
class Proven:
    """A version loaded on an engine that has reproduced its goldens, before warm-up."""

    manifest: Manifest
    golden: Golden
    engine: Engine
    encoder: Program
    decoder: Program
    refused: tuple[Refusal, ...]


def load_version(
    directory: Path,
    choice: EngineChoice,
    get_engine: GetEngine,
    max_batch_items: int,
    trusted: TrustedKeys | None = None,
) -> LoadedVersion:
    """Verify a published version, load it on the chosen engine, and warm up every batch size.

    With `trusted` keys, one of them must have signed it.

    Raises VersionDamaged, or EngineError where no engine that may be used reproduces the goldens.
    """
    proven = prove_first(directory, choice, get_engine, _log_refusal, trusted=trusted)
    manifest = proven.manifest
    condition = one_hot_rows(proven.golden.labels, manifest.input)
    buckets = BucketedProgram(proven.encoder, {"x": proven.golden.x} | condition, max_batch_items)
    decoder_buckets = BucketedProgram(proven.decoder, {"z": proven.golden.z_mean} | condition, max_batch_items)
    return LoadedVersion(
        manifest=manifest,
        prior=read_prior(directory / PRIOR, manifest.latent.dim),
        engine=proven.engine.name,
        encoder=buckets,
        decoder=decoder_buckets,
        encoder_costs=buckets.warm(),
        decoder_costs=decoder_buckets.warm(),
        fallback_reason="; ".join(map(str, proven.refused)) or None,
    )


def call_largest_alone(directory: Path, loaded: LoadedVersion, engine: Engine) -> None:
    """Load a second program, only for the largest batch size, for each half that gets faster by it; replay the goldens.

    Raises StoreError, GoldenMismatch or EngineError; the version is unchanged then.
    """
    halves = (loaded.encoder, loaded.decoder)
    golden = read_golden(directory / GOLDEN, loaded.manifest)
    scanned = scan_halves(directory, loaded.manifest.files)
    alone = load_and_prove(scanned, engine, loaded.manifest, golden, loaded.encoder.sizes[-1])
    for buckets, program in zip(halves, alone, strict=True):
        if program.gains_by_batch:
            buckets.call_largest(program)


def prove_first(
    directory: Path,
    choice: EngineChoice,
    get_engine: GetEngine,
    hear: Callable[[Manifest, Refusal], None],
    batch_of: Callable[[Manifest], int] | None = None,
    trusted: TrustedKeys | None = None,
) -> Proven:
    """Verify a published version and load it on the chosen engine; `auto`: the first that reproduces the goldens.

    `hear` is called for every engine that `auto` rejects. With `batch_of`, every call must have that number of rows.
    Raises VersionDamaged, or EngineError where no engine that may be used reproduces the goldens.
    """
    manifest, halves = verify_and_scan(directory, trusted)
    golden = read_golden(directory / GOLDEN, manifest)
    refused: list[Refusal] = []
    for name in ENGINES if choice == "auto" else (choice,):
        try:
            engine = get_engine(name)
            batch = None if batch_of is None else batch_of(manifest)
            encoder, decoder = load_and_prove(halves, engine, manifest, golden, batch)
        except (EngineError, GoldenMismatch) as error:
            if choice != "auto":
                raise
            refused.append(Refusal(name, str(error), cause_of(error)))
            hear(manifest, refused[-1])
        else:
            return Proven(manifest, golden, engine, encoder, decoder, tuple(refused))
    raise EngineError("no engine can run this version: " + "; ".join(map(str, refused)))


def _log_refusal(manifest: Manifest, refusal: Refusal) -> None:
    version = f"{manifest.name}@{manifest.version}"
    log.warning("engine refused", model=version, engine=refusal.engine, reason=refusal.reason, cause=refusal.cause)


def load_and_prove(
    halves: Halves, engine: Engine, body: ManifestBody, golden: Golden, batch: int | None = None
) -> tuple[Program, Program]:
    """Load both SavedModels and replay the goldens, preprocessing included; with `batch`, for calls of that size only.

    Raises EngineError, or GoldenMismatch naming what differs.
    """
    encoder, decoder = engine.load(halves.encoder, batch), engine.load(halves.decoder, batch)
    gaussian = body.latent.distribution == "gaussian"
    codes = {"z_mean", "z_log_var"} if gaussian else {"z"}
    labels = {"labels"} if body.input.conditional else set()
    for half, program, inputs, outputs in (
        (ENCODER, encoder, {"x"} | labels, codes),
        (DECODER, decoder, {"z"} | labels, {"outputs"}),
    ):
        if (set(program.input_names), set(program.output_names)) != (inputs, outputs):
            raise EngineError(
                f"{half} takes {sorted(program.input_names)} and answers {sorted(program.output_names)},"
                f" not {sorted(inputs)} and {sorted(outputs)}"
            )
    replay(
        golden,
        body,
        partial(_infer, engine, encoder, batch),
        partial(_infer, engine, decoder, batch),
        bfloat16_tolerance if engine.precision == "bf16" else None,
    )
    return encoder, decoder


def bfloat16_tolerance(recorded: Float32) -> Tolerance:
    """The tolerance of bfloat16 for an array recorded in float32: 3 % of each value, plus 3 % of the root mean square.

    One rounding to seven bits of mantissa is off by up to 2⁻⁸, 0.4 %; a network makes a handful of them.
    """
    return Tolerance(rtol=_BFLOAT16, atol=_BFLOAT16 * float(np.sqrt(np.mean(np.square(recorded, dtype=np.float64)))))


def _infer(engine: Engine, program: Program, batch: int | None, inputs: Rows) -> dict[str, Float32]:
    try:
        return program.infer(inputs) if batch is None else infer_in_calls_of(batch, program, inputs)
    except Exception as error:
        raise EngineError(f"the {engine.name} engine fails on the goldens ({type(error).__name__})") from error


def check_directory(engine_name: str, directory: Path, body: ManifestBody) -> None:
    """Replay a staged version's goldens on an engine. Raises StoreError, as a trainer's check must."""
    try:
        golden = read_golden(directory / GOLDEN, body)
        load_and_prove(scan_halves(directory), create_engine(engine_name, usable_cpus()), body, golden)
    except EngineError as error:
        raise StoreError(f"{error}: {cause_of(error)}" if error.__cause__ else str(error)) from error
