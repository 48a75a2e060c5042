"""The page results.md, and a row as one line for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.config import PublishedConfig, TrainConfig
from training.reproduce.results import Row

RESULTS_PAGE = "results.md"

UNITS = {
    "bce": "BCE, mean nats per pixel",
    "noisy_bce": "BCE of noisy in, clean out, mean nats per pixel",
    "elbo": "ELBO, nats per item",
    "nll_is": "NLL by importance samples, nats per item",
    "mse": "MSE, mean per element",
    "knn_accuracy": "5-NN accuracy of the codes",
    "label_accuracy": "share of samples read as the label asked for",
    "principal_angle_deg": "angle to PCA, degrees",
    "rms_to_curve": "RMS distance of the manifold to the curve",
    "spearman": "size of Spearman's ρ of code and curve",
    "train_to_test_mse": "training MSE over test MSE",
}
_VERDICTS = {True: "reached", False: "**not reached**", None: "–"}

_INTRODUCTION = """# Results

`latent reproduce --data-dir DIR` trains every recipe that has a published figure, and measures it on the test images
(or points), in the unit of that figure. The weights are those of the best epoch on the validation split. The test split
was used once, at the end. The command writes this page and `results.json` after every row: do not edit them by hand.

- *Published* is the figure to reach. If a source gives none, its own settings (optimizer, rate, batch size) were run
  here on the same architecture, for as many seconds as ours took. What they reached is *published*, in italics.
- *Tutorial's seconds* is what the source's own settings would take here. An ordinary Keras fit of the same
  architecture, with that optimizer and batch size, was timed over some steps and extrapolated to all of its epochs. It
  did not run to the end.
- *Seconds* is the time of our epochs, validation and all restarts included. Both times leave out what is done once:
  imports, tracing and compiling the step, evaluation, export.
- *PCA* has as many components as the code has dimensions, fitted to the same training items. Where the figure means
  nothing for PCA, both MSEs are given.
"""


@dataclass(frozen=True)
class Rival:
    """A row that must beat another on a figure, by a margin."""

    recipe: str
    figure: str
    better: str
    """`lower` or `higher`"""
    other: str
    margin: float = 0.0


RIVALS = (
    Rival("mnist-iwae", "nll_is", "lower", "mnist-vae-binary", 0.5),
    Rival("fashion-conv-vae", "knn_accuracy", "higher", "fashion-vae"),
    Rival("fashion-vae-best", "elbo", "higher", "fashion-vae"),
    Rival("fashion-vae-best", "elbo", "higher", "fashion-conv-vae"),
)


@dataclass(frozen=True)
class Condition:
    """A further figure that a row must reach."""

    recipe: str
    figure: str
    better: str
    """`lower` or `higher`"""
    limit: float


CONDITIONS = (
    Condition("sine-linear-ae", "mse_to_pca", "lower", 1.01),
    Condition("scurve-vae-sigma", "rms", "lower", 0.02),
    Condition("mnist-cvae", "style_accuracy", "higher", 0.9),
)


@dataclass(frozen=True)
class Contest:
    """A further figure of a row, compared with what the tutorial's settings reach in the same seconds."""

    recipe: str
    figure: str
    better: str
    """`lower` or `higher`"""


CONTESTS = (Contest("fashion-conv-vae", "elbo", "higher"),)
MOST_SHARE = 1 / 3
"""Largest share of the seconds that the tutorial's own settings take, if its figure is published."""


def line(row: Row, published: PublishedConfig) -> str:
    """Format one row as a line for a terminal."""
    goal = row.goal(published)
    against = "" if goal is None else f" (to reach: {goal:.4g})"
    verdict = {True: "reached", False: "NOT REACHED", None: "nothing to reach"}[row.reached(published)]
    tutorial = "" if row.tutorial is None else f", the tutorial's settings about {row.tutorial.total_s:.0f} s"
    return (
        f"{row.recipe}: {row.metric} {row.ours:.4g}{against}, {verdict}; {_pca(row)}; {row.parameters:,} parameters,"
        f" {row.epochs} epochs in {row.training_s:.0f} s{tutorial}"
    )


def trial_line(row: Row) -> str:
    """Format the line of a quick run, which has no figure to reach."""
    return (
        f"{row.recipe}: ran on {row.data}; {row.metric} {row.ours:.4g}, {row.parameters:,} parameters,"
        f" {row.epochs} epochs in {row.training_s:.1f} s"
    )


def page(rows: Mapping[str, Row], recipes: Sequence[TrainConfig]) -> str:
    """Write the text of the page: the table of verdicts, the comparisons of rows, and every further figure.

    `rows` are by recipe; `recipes` give the order and the figures to reach.
    """
    shown = [(config, config.published, rows.get(config.recipe)) for config in recipes]
    done = [(config, published, row) for config, published, row in shown if published is not None and row is not None]
    missing = [config.recipe for config, published, row in shown if published is not None and row is None]
    parts = [_INTRODUCTION, _machines(done), _table(done)]
    if missing:
        parts.append(f"Not measured yet: {', '.join(f'`{name}`' for name in missing)}.\n")
    parts += [_conditions(rows, done), _findings(done), _sources(done), _further(done)]
    return "\n".join(part for part in parts if part)


Done = Sequence[tuple[TrainConfig, PublishedConfig, Row]]


def _machines(done: Done) -> str:
    machines = sorted({row.machine for _, _, row in done})
    return "".join(f"Measured on: {machine}.\n" for machine in machines)


def _table(done: Done) -> str:
    heads = "recipe | figure | published | ours | | PCA | parameters | epochs | seconds | tutorial's seconds | share"
    lines = [f"| {heads} |", f"|{'---|' * (heads.count('|') + 1)}"]
    for _, published, row in done:
        tutorial = row.tutorial
        cells = [
            f"`{row.recipe}`",
            UNITS[row.metric],
            _goal(row, published),
            f"{row.ours:.4g}",
            _VERDICTS[row.reached(published)],
            _pca(row).removeprefix("PCA "),
            f"{row.parameters:,}",
            str(row.epochs),
            f"{row.training_s:.0f}" if row.training_s >= 10 else f"{row.training_s:.1f}",
            "–" if tutorial is None else f"{tutorial.total_s:,.0f} ({tutorial.epochs:,} epochs)",
            "–" if tutorial is None else f"{row.training_s / tutorial.total_s:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _goal(row: Row, published: PublishedConfig) -> str:
    goal = row.goal(published)
    if goal is None:
        return "–"
    return f"{goal:.4g}" if published.value is not None else f"*{goal:.4g}*"


def _pca(row: Row) -> str:
    own = row.figures.get(f"pca_{row.metric}")
    if own is not None:
        return f"PCA {own:.4g}"
    return (
        f"PCA MSE {row.figures['pca_mse']:.4g} to our {row.figures['mse']:.4g}" if "pca_mse" in row.figures else "PCA –"
    )


def _conditions(rows: Mapping[str, Row], done: Done) -> str:
    lines = [*_limits(rows), *_contests(rows), *_shares(done), *_rivals(rows)]
    return "## Further conditions\n\n" + "\n".join(lines) + "\n" if lines else ""


def _limits(rows: Mapping[str, Row]) -> Iterator[str]:
    for condition in CONDITIONS:
        ours = rows[condition.recipe].figures.get(condition.figure) if condition.recipe in rows else None
        if ours is None:
            continue
        bound = "at least" if condition.better == "higher" else "at most"
        verdict = _VERDICTS[_as_good(ours, condition.limit, condition.better)]
        yield f"- `{condition.recipe}`, {condition.figure} {bound} {condition.limit:g}: {ours:.4g}, {verdict}"


def _contests(rows: Mapping[str, Row]) -> Iterator[str]:
    for contest in CONTESTS:
        row = rows.get(contest.recipe)
        if row is None or row.tutorial is None or row.tutorial.figure_after_s is None:
            continue
        ours, theirs = row.figures.get(contest.figure), row.tutorial.figures.get(contest.figure)
        if ours is None or theirs is None:
            continue
        yield (
            f"- `{contest.recipe}`, {contest.figure} no worse than the tutorial's settings after"
            f" {row.tutorial.figure_after_s:.0f} s: {ours:.4g} to {theirs:.4g},"
            f" {_VERDICTS[_as_good(ours, theirs, contest.better)]}"
        )


def _shares(done: Done) -> Iterator[str]:
    for _, published, row in done:
        if row.tutorial is not None and published.value is not None:
            share = row.training_s / row.tutorial.total_s
            yield (
                f"- `{row.recipe}`, in at most a third of the tutorial's seconds: {share:.0%},"
                f" {_VERDICTS[share <= MOST_SHARE]}"
            )


def _rivals(rows: Mapping[str, Row]) -> Iterator[str]:
    for rival in RIVALS:
        pair = (rows[name].figures.get(rival.figure) if name in rows else None for name in (rival.recipe, rival.other))
        ours, theirs = pair
        if ours is None or theirs is None:
            continue
        gained = ours - theirs if rival.better == "higher" else theirs - ours
        wanted = f" by at least {rival.margin:g}" if rival.margin else ""
        verdict = _VERDICTS[gained >= rival.margin if rival.margin else gained > 0]
        yield (
            f"- `{rival.recipe}` against `{rival.other}`, {rival.figure} {rival.better}{wanted}:"
            f" {ours:.4g} to {theirs:.4g}, {verdict}"
        )


def _as_good(ours: float, theirs: float, better: str) -> bool:
    return ours >= theirs if better == "higher" else ours <= theirs


def _findings(done: Done) -> str:
    lines = [f"- `{row.recipe}`: {' '.join(row.findings) or 'nothing is wrong.'}" for _, _, row in done]
    return "## What the reports say\n\n" + "\n".join(lines) + "\n" if lines else ""


def _sources(done: Done) -> str:
    lines = []
    for config, published, row in done:
        about = f"- `{config.recipe}` ({row.data}): {published.source.rstrip('.')}."
        tutorial = row.tutorial
        if tutorial is not None:
            rate = "" if published.learning_rate is None else f" at {published.learning_rate:g}"
            about += (
                f" Its settings: {published.optimizer}{rate}, batch {published.batch_size}, {tutorial.epochs:,} epochs;"
                f" {tutorial.epoch_s:.3g} s an epoch here, over {tutorial.steps_timed:,} steps."
            )
            if tutorial.figure is not None and tutorial.figure_after_s is not None:
                about += f" After {tutorial.figure_after_s:.0f} s they reached {tutorial.figure:.4g}."
        lines.append(about)
    return "## Where the figures come from\n\n" + "\n".join(lines) + "\n" if lines else ""


def _further(done: Done) -> str:
    lines = [
        f"- `{row.recipe}`: " + ", ".join(f"{name} {value:.4g}" for name, value in sorted(row.figures.items()))
        for _, _, row in done
    ]
    return "## All figures\n\n" + "\n".join(lines) + "\n" if lines else ""
