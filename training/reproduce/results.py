"""Finished rows, kept in results.json under the hash of their recipe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import Field, ValidationError

from model_store.durable import write_durably
from training.config import PublishedConfig, TrainConfig
from training.errors import DataError
from training.reproduce.figures import HIGHER_IS_BETTER
from training.sections import Section

RESULTS_JSON = "results.json"


class TutorialCost(Section):
    """Cost of the same architecture with the tutorial's own settings, timed on this machine."""

    steps_timed: int
    epoch_s: float
    epochs: int
    figure: float | None = None
    """The row's metric after as many seconds as our training took, if the source gives no figure."""
    figure_after_s: float | None = None
    figures: dict[str, float] = Field(default_factory=dict)
    """Every figure of that evaluation; of rows older than this field, none."""

    @property
    def total_s(self) -> float:
        """Seconds extrapolated to all epochs."""
        return self.epoch_s * self.epochs


class Row(Section):
    """One system, trained and measured."""

    recipe: str
    recipe_hash: str
    data: str
    metric: str
    figures: dict[str, float]
    findings: tuple[str, ...] = ()
    """What the report says is wrong, in words."""
    parameters: int
    epochs: int
    training_s: float
    tutorial: TutorialCost | None
    machine: str
    measured_on: str
    """Date, UTC."""

    @property
    def ours(self) -> float:
        """Our value of the row's metric."""
        return self.figures[self.metric]

    def goal(self, published: PublishedConfig) -> float | None:
        """Figure to reach: the published one, else what the tutorial's settings reach in the same time."""
        if published.value is not None:
            return published.value
        return None if self.tutorial is None else self.tutorial.figure

    def reached(self, published: PublishedConfig) -> bool | None:
        """Whether ours is at least as good as the figure to reach; None if there is none."""
        goal = self.goal(published)
        if goal is None:
            return None
        return self.ours >= goal if self.metric in HIGHER_IS_BETTER else self.ours <= goal


def recipe_hash(config: TrainConfig) -> str:
    """Hash a recipe: its metric and all settings that are not defaults, the seed included, but no paths."""
    sections = config.model_dump(
        mode="json", exclude_defaults=True, exclude={"published": True, "intended_use": True, "data": {"dir"}}
    )
    settings = {name: section for name, section in sections.items() if section != {}}
    settings["metric"] = None if config.published is None else config.published.metric
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def read_results(path: Path) -> dict[str, Row]:
    """Read the rows by hash; none if there is no file. Raises DataError if `write_results` did not write it."""
    try:
        document = json.loads(path.read_bytes())
        return {key: Row.model_validate(row) for key, row in document["rows"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise DataError(f"{path} holds no results; move it away to begin anew") from error


def with_row(rows: dict[str, Row], row: Row) -> dict[str, Row]:
    """Return the rows with this one in place of older ones of its recipe."""
    return {key: old for key, old in rows.items() if old.recipe != row.recipe} | {row.recipe_hash: row}


def write_results(path: Path, rows: dict[str, Row]) -> None:
    """Replace the file, rows in the order of their recipes' names."""
    ordered = sorted(rows.items(), key=lambda item: item[1].recipe)
    document = {"rows": {key: row.model_dump(mode="json") for key, row in ordered}}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")
