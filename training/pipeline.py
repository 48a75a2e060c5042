"""A training run from its settings to a published version."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from model_store.manifest import Manifest
from model_store.publish import check_writable, stage
from model_store.verify import REPORT
from model_store.versions import check_name
from training.autoencoder import build
from training.config import TrainConfig
from training.data import load
from training.diagnosis import Finding, diagnose
from training.errors import TrainingError
from training.evaluate import evaluate
from training.export import Check, fit_prior, prove_engines, write_version
from training.frames import FrameStore
from training.inputs import Prepared, prepare
from training.loop import fit, kept_epoch
from training.progress import Reporter, reporter
from training.recorder import Recorder, Watching
from training.runs import Run, claim
from training.symptoms import measure
from training.tensorboard_log import TensorBoardLog, check_log_directory, tensorboard_log
from training.tensorflow_import import import_tensorflow

_PACKAGES = ("tensorflow", "keras", "sklearn", "matplotlib")


@dataclass(frozen=True)
class TrainResult:
    """Result of a run: the published version, its metrics and its cost."""

    manifest: Manifest
    metrics: dict[str, tuple[float | None, float | None]]
    """Metric on the test split -> (model, PCA of the same dimension); None if there is no such figure."""
    findings: tuple[Finding, ...]
    """Findings of the diagnosis, the gravest first."""
    report: Path
    """The directory with metrics.json, history.csv, diagnosis.json and the figures."""
    parameters: int
    """Number of trained parameters."""
    epochs: int
    training_s: float
    """Seconds of the epochs alone: no import, tracing, evaluation or export."""


def train(
    config: TrainConfig,
    *,
    store: Path,
    name: str | None = None,
    resume: bool = False,
    checks: Mapping[str, Check] | None = None,
    progress: bool = False,
    tensorboard: Path | None = None,
    pictures: bool = True,
) -> TrainResult:
    """Train, evaluate, export and publish; nothing is published unless all of it succeeds.

    The model is called `name`, or as its recipe. `resume` continues an interrupted run of that name.
    Each of `checks` tries one engine, by its name, on the finished version. If it raises a StoreError, a warning
    is shown and the manifest does not list the engine. `progress` shows the run on standard error; `tensorboard` is a
    directory for TensorBoard's logs. Without `pictures` the report has numbers only, which takes half the time or less.

    Raises TrainingError for what a user can correct, and the store's StoreNotWritable and BadName. All checks that
    are possible run before TensorFlow is imported and before anything is written.
    """
    _require_packages()
    name = check_name(config.recipe if name is None else name)
    check_writable(store)
    if tensorboard is not None:
        check_log_directory(tensorboard)
    data = prepare(load(config.data, config.input), config)
    with claim(store, name, config, data.record.sha256, resume=resume) as run, reporter(progress=progress) as report:
        if resume:
            run.load()  # refuses before the wait
        else:
            run.discard()
        report.note(_opening(config, data, name))
        import_tensorflow()
        with tensorboard_log(tensorboard, name) as log:
            return _train(
                config,
                data,
                run,
                report,
                log,
                store=store,
                name=name,
                resume=resume,
                checks=checks or {},
                pictures=pictures,
            )


def _require_packages() -> None:
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise TrainingError(f"training needs {', '.join(missing)}: pip install '.[train]'")


def _train(
    config: TrainConfig,
    data: Prepared,
    run: Run,
    report: Reporter,
    log: TensorBoardLog | None,
    *,
    store: Path,
    name: str,
    resume: bool,
    checks: Mapping[str, Check],
    pictures: bool,
) -> TrainResult:
    from training.report import Context, write_report  # matplotlib

    seed = config.training.seed
    model = build(config, data)
    frames = FrameStore(run.directory)
    if not resume:
        frames.clear()
    recorder = Recorder(model, data, config.training.epochs, log, frames if pictures else None)
    watching = Watching(report, recorder) if pictures or log is not None else report
    fitted = fit(model, data, config, run, watching, resume=resume)
    history = fitted.history
    recorder.finish(history[kept_epoch(history, config.training.patience) - 1])
    report.note("evaluating on the test split, beside PCA")
    evaluation = evaluate(model, data, config)
    prior = fit_prior(evaluation.train, evaluation.validation, seed).mixture
    symptoms = measure(model, data, evaluation, prior, binarised=config.data.binarise == "anew")
    findings = diagnose(symptoms, config)
    report.note("exporting and checking the export")
    with stage(store, name) as staging:
        body = write_version(staging.path, model, data, evaluation, config, prior)
        body = prove_engines(staging.path, body, checks, report)
        context = Context(model, data, evaluation, prior, seed)
        write_report(
            staging.path / REPORT,
            context,
            history,
            config.training.patience,
            (symptoms, findings),
            recorder,
            pictures=pictures,
        )
        manifest = staging.publish(body)
    run.discard()
    report.table(f"{name}@{manifest.version}", evaluation.rows)
    return TrainResult(
        manifest=manifest,
        metrics=evaluation.rows,
        findings=tuple(findings),
        report=store / name / str(manifest.version) / REPORT,
        parameters=sum(math.prod(variable.shape) for variable in model.trainable),
        epochs=len(history),
        training_s=fitted.seconds,
    )


def _opening(config: TrainConfig, data: Prepared, name: str) -> str:
    record, shape = data.record, " × ".join(str(size) for size in data.spec.shape)
    return (
        f"training {name} ({config.recipe}) on {record.name}: {record.train_items} {data.spec.kind}s of {shape},"
        f" {record.validation_items} for validation, {record.test_items} for the test"
    )
