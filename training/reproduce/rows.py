"""Training, measuring and keeping the rows of the table, one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from model_store.durable import write_durably
from training.catalogue import configure, load_recipe, recipe_names
from training.config import PublishedConfig, TrainConfig
from training.data import load
from training.errors import BadSetting, TrainingError
from training.export import Check
from training.inputs import prepare
from training.pipeline import train
from training.reproduce.figures import FULL, QUICK, measure
from training.reproduce.machine import describe_machine
from training.reproduce.page import RESULTS_PAGE, line, page, trial_line
from training.reproduce.results import RESULTS_JSON, Row, read_results, recipe_hash, with_row, write_results
from training.reproduce.served import Served
from training.reproduce.small_data import small_source
from training.reproduce.tutorial import time_tutorial
from training.tensorflow_import import import_keras

Budget = Literal["full", "quick"]
Told = Callable[[str], None]

_SOURCES = ("sine", "sine-sparse", "s-curve", "mnist-5k", "fashion-mnist", "mnist")
_BUILDERS = ("linear", "dense", "conditional", "lstm")
"""Builders that train fast; recipes with convolutions come after these."""
_TUTORIAL_S = 30.0
_COMPETE_S = 1200.0
_QUICK_EPOCHS = 2
_QUICK_STEPS = 4
_QUICK_TUTORIAL_S = 0.2


@dataclass(frozen=True)
class Outcome:
    """Result of `reproduce`: finished rows, and those that failed."""

    rows: list[Row]
    failed: dict[str, str]
    """Recipe -> the sentence of its error."""


def table(names: Sequence[str] = ()) -> list[TrainConfig]:
    """List the recipes with a published figure, the cheap ones first: those named, or all.

    Raises UnknownRecipe, or BadSetting for a recipe without a `[published]` section.
    """
    configs = [load_recipe(name) for name in (names or recipe_names())]
    without = [config.recipe for config in configs if config.published is None]
    if names and without:
        raise BadSetting(f"{without[0]} is measured against nothing: its recipe has no [published]")
    return sorted((config for config in configs if config.published is not None), key=_cost)


def reproduce(
    names: Sequence[str] = (),
    *,
    data_dir: Path | None = None,
    store: Path | None = None,
    results: Path,
    budget: Budget = "full",
    again: bool = False,
    checks: Mapping[str, Check] | None = None,
    tell: Told,
    progress: bool = False,
) -> Outcome:
    """Train and measure every row; `tell` gets one line for each.

    Finished rows are kept in `results`/results.json under a hash of their recipe, are not trained again unless `again`
    is set, and are shown in `results`/results.md. `budget="quick"` trains each row on little data for seconds and keeps
    nothing. Versions go to `store`, or nowhere. A row that fails is told of and passed over.

    Raises UnknownRecipe, BadSetting, or DataError where results.json cannot be read.
    """
    configs = table(names)
    kept = read_results(results / RESULTS_JSON) if budget == "full" else {}
    outcome = Outcome([], {})
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for config in configs:
            published = _published(config)
            if (row := kept.get(recipe_hash(config))) is not None and not again:
                tell(f"{line(row, published)} (kept from {row.measured_on})")
                outcome.rows.append(row)
                continue
            try:
                row = _run(
                    config.recipe,
                    data_dir=data_dir,
                    store=store or scratch / "store",
                    pictures=store is not None,
                    small=scratch / "small" if budget == "quick" else None,
                    checks=checks or {},
                    progress=progress,
                )
            except TrainingError as error:
                tell(f"{config.recipe}: FAILED: {error}")
                outcome.failed[config.recipe] = str(error)
                continue
            outcome.rows.append(row)
            tell(line(row, published) if budget == "full" else trial_line(row))
            if budget == "full":
                kept = with_row(read_results(results / RESULTS_JSON), row)
                write_results(results / RESULTS_JSON, kept)
                write_page(results, kept)
    return outcome


def write_page(results: Path, kept: Mapping[str, Row]) -> None:
    """Write results.md from all kept rows."""
    rows = {row.recipe: row for row in kept.values()}
    write_durably(results / RESULTS_PAGE, page(rows, table()).encode())


def _run(
    recipe: str,
    *,
    data_dir: Path | None,
    store: Path,
    pictures: bool,
    small: Path | None,
    checks: Mapping[str, Check],
    progress: bool,
) -> Row:
    import_keras().backend.clear_session()
    shipped = load_recipe(recipe)
    if small is None:
        config, what = configure(recipe, data=shipped.data.source, data_dir=data_dir), shipped.data.source
    else:
        source, what = small_source(shipped.data.source, data_dir, small)
        settings = {"training.min_epoch_steps": str(_QUICK_STEPS)}
        config = configure(recipe, data=source, settings=settings, epochs=_QUICK_EPOCHS)
    published = _published(config)
    result = train(config, store=store, name=recipe, checks=checks, progress=progress, pictures=pictures)
    data = prepare(load(config.data, config.input), config)
    served = Served(result.report.parent, result.manifest)
    figures = measure(served, data, config, FULL if small is None else QUICK)
    if published.metric not in figures:
        raise BadSetting(f"{recipe} is to be measured by {published.metric}, which its report does not have")
    tutorial = time_tutorial(
        config,
        published,
        data,
        budget_s=_TUTORIAL_S if small is None else _QUICK_TUTORIAL_S,
        compete_s=min(result.training_s, _COMPETE_S) if small is None and published.value is None else None,
    )
    return Row(
        recipe=recipe,
        recipe_hash=recipe_hash(shipped),
        data=what,
        metric=published.metric,
        figures=figures,
        findings=tuple(finding.text for finding in result.findings),
        parameters=result.parameters,
        epochs=result.epochs,
        training_s=result.training_s,
        tutorial=tutorial,
        machine=describe_machine(),
        measured_on=datetime.now(UTC).date().isoformat(),
    )


def _published(config: TrainConfig) -> PublishedConfig:
    if config.published is None:
        raise BadSetting(f"{config.recipe} is measured against nothing: its recipe has no [published]")
    return config.published


def _cost(config: TrainConfig) -> tuple[int, int, int, str]:
    builder, source = config.model.builder, config.data.source
    return (
        int(builder not in _BUILDERS),
        _SOURCES.index(source) if source in _SOURCES else len(_SOURCES),
        config.training.epochs,
        config.recipe,
    )
