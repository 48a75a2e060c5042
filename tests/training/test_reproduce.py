"""The table of `latent reproduce`: its stored results, its output, and how a version is measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import training
from model_store import ModelStore
from model_store.manifest import Manifest
from tests.training.files import write_mnist
from training.config import PublishedConfig
from training.data import load
from training.errors import BadSetting, DataError, UnknownRecipe
from training.inputs import prepare
from training.reproduce import Row, line, reproduce, table
from training.reproduce.figures import QUICK, measure
from training.reproduce.generation import pca_samples
from training.reproduce.importance import importance_nll
from training.reproduce.page import UNITS, page
from training.reproduce.reader import Reader
from training.reproduce.results import TutorialCost, read_results, recipe_hash, with_row, write_results
from training.reproduce.served import Served
from training.reproduce.small_data import TEST_ITEMS, TRAIN_ITEMS, small_source
from training.reproduce.tutorial import time_tutorial


def row(recipe: str = "sine-linear-ae", **changes: object) -> Row:
    fields: dict[str, object] = {
        "recipe": recipe,
        "recipe_hash": "0" * 16,
        "data": "sine",
        "metric": "bce",
        "figures": {"bce": 0.28, "mse": 0.01, "pca_mse": 0.02},
        "parameters": 1234,
        "epochs": 33,
        "training_s": 20.0,
        "tutorial": TutorialCost(steps_timed=40, epoch_s=0.5, epochs=100),
        "machine": "a machine",
        "measured_on": "2026-01-01",
    }
    return Row.model_validate(fields | changes)


def published(value: float | None, **changes: object) -> PublishedConfig:
    return PublishedConfig.model_validate({"metric": "bce", "value": value, "source": "A sentence."} | changes)


@pytest.mark.parametrize(
    ("metric", "value", "goal", "reached"),
    [
        ("bce", 0.28, 0.28, True),
        ("bce", 0.2801, 0.28, False),
        ("elbo", -100.0, -100.5, True),
        ("elbo", -101.0, -100.5, False),
        ("spearman", 0.995, 0.99, True),
        ("bce", 0.28, None, None),
    ],
)
def test_a_figure_is_reached_in_its_own_direction(
    metric: str, value: float, goal: float | None, reached: bool | None
) -> None:
    measured = row(metric=metric, figures={metric: value}, tutorial=None)
    assert measured.reached(published(goal, metric=metric)) is reached


def test_without_a_published_figure_the_same_seconds_of_the_tutorial_count() -> None:
    cost = TutorialCost(steps_timed=9, epoch_s=2.0, epochs=50, figure=-160.0, figure_after_s=20.0)
    measured = row(metric="elbo", figures={"elbo": -159.0}, tutorial=cost)
    assert measured.goal(published(None, metric="elbo")) == -160.0
    assert measured.reached(published(None, metric="elbo")) is True
    assert measured.goal(published(-150.0, metric="elbo")) == -150.0
    assert cost.total_s == 100.0


def test_a_line_says_all_of_a_row() -> None:
    assert line(row(), published(0.277)) == (
        "sine-linear-ae: bce 0.28 (to reach: 0.277), NOT REACHED; PCA MSE 0.02 to our 0.01; 1,234 parameters,"
        " 33 epochs in 20 s, the tutorial's settings about 50 s"
    )
    assert "nothing to reach; PCA 0.3;" in line(row(figures={"bce": 0.2, "pca_bce": 0.3}), published(None))


def test_the_page_shows_failures_as_failures_and_what_is_missing() -> None:
    recipes = table()
    names = [config.recipe for config in recipes]
    text = page({"sine-linear-ae": row(metric="principal_angle_deg", figures={"principal_angle_deg": 2.5})}, recipes)
    cells = next(line for line in text.splitlines() if line.startswith("| `sine-linear-ae`")).split(" | ")
    assert cells[2:5] == ["1", "2.5", "**not reached**"]
    assert cells[-2:] == ["50 (100 epochs)", "40% |"]
    assert f"Not measured yet: {', '.join(f'`{name}`' for name in names if name != 'sine-linear-ae')}." in text
    assert "Measured on: a machine." in text
    assert "- `sine-linear-ae`: nothing is wrong." in text
    assert not any("|" in unit for unit in UNITS.values())  # it would end a cell


@pytest.mark.parametrize(("iwae", "verdict"), [(86.4, "reached"), (86.6, "**not reached**")])
def test_the_page_holds_rows_against_each_other(iwae: float, verdict: str) -> None:
    rows = {
        "mnist-iwae": row("mnist-iwae", metric="nll_is", figures={"nll_is": iwae}),
        "mnist-vae-binary": row("mnist-vae-binary", metric="nll_is", figures={"nll_is": 87.0}),
    }
    compared = f"lower by at least 0.5: {iwae:.4g} to 87, {verdict}"
    assert compared in page(rows, table())


def test_the_page_holds_rows_to_their_further_conditions() -> None:
    rows = {
        "scurve-vae-sigma": row("scurve-vae-sigma", metric="spearman", figures={"spearman": 0.999, "rms": 0.03}),
        "fashion-ae": row("fashion-ae", training_s=16.0),
    }
    text = page(rows, table())
    assert "- `scurve-vae-sigma`, rms at most 0.02: 0.03, **not reached**" in text
    assert "- `fashion-ae`, in at most a third of the tutorial's seconds: 32%, reached" in text


@pytest.mark.parametrize(("theirs", "verdict"), [(-260.0, "reached"), (-259.9, "**not reached**")])
def test_the_page_holds_a_row_to_the_tutorials_settings_in_further_figures(theirs: float, verdict: str) -> None:
    cost = {"steps_timed": 9, "epoch_s": 90.0, "epochs": 150, "figure": 0.66, "figure_after_s": 540.0}
    figures = {"knn_accuracy": 0.68, "elbo": -260.0}
    ours = row(
        "fashion-conv-vae", metric="knn_accuracy", figures=figures, tutorial=cost | {"figures": {"elbo": theirs}}
    )
    compared = (
        f"`fashion-conv-vae`, elbo no worse than the tutorial's settings after 540 s: -260 to {theirs:.4g}, {verdict}"
    )
    assert compared in page({"fashion-conv-vae": ours}, table())
    older = row("fashion-conv-vae", metric="knn_accuracy", figures=figures, tutorial=cost)
    assert "Further conditions" not in page({"fashion-conv-vae": older}, table())


def test_rows_are_kept_by_hash_one_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "results.json"
    assert read_results(path) == {}
    first, second, other = row(recipe_hash="a"), row(recipe_hash="b", epochs=7), row("mnist-ae", recipe_hash="c")
    rows = with_row(with_row(with_row({}, first), other), second)
    assert rows == {"b": second, "c": other}
    write_results(path, rows)
    assert read_results(path) == rows
    assert list(json.loads(path.read_text())["rows"]) == ["c", "b"]  # by name: a small difference to read


@pytest.mark.parametrize("content", ["", "[]", '{"rows": {"a": {"recipe": "x"}}}', '{"rows": 3}'])
def test_a_damaged_file_of_results_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(DataError, match=r"results\.json holds no results"):
        reproduce(["sine-linear-ae"], results=tmp_path, tell=print)
    assert (tmp_path / "results.json").read_text() == content


def test_the_hash_is_of_the_settings() -> None:
    config = training.load_recipe("mnist-ae")
    same = training.configure("mnist-ae", data_dir="elsewhere")
    assert recipe_hash(same) == recipe_hash(config)
    assert len({recipe_hash(training.configure("mnist-ae", seed=seed)) for seed in (0, 1, 2)}) == 3
    assert recipe_hash(config.model_copy(update={"published": None})) != recipe_hash(config)


def test_the_table_is_what_has_a_figure_to_reach() -> None:
    assert [config.recipe for config in table(["mnist-vae-mlp", "sine-linear-ae"])] == [
        "sine-linear-ae",
        "mnist-vae-mlp",
    ]
    assert {config.recipe for config in table()} == {
        name for name in training.recipe_names() if training.load_recipe(name).published is not None
    }
    with pytest.raises(UnknownRecipe, match="did you mean sine-linear-ae"):
        table(["sine-linear"])
    bare = [name for name in training.recipe_names() if training.load_recipe(name).published is None]
    for name in bare:
        with pytest.raises(BadSetting, match=f"{name} is measured against nothing"):
            table([name])


def test_a_finished_row_is_trained_once(tmp_path: Path) -> None:
    told: list[str] = []
    first = reproduce(["sine-linear-ae"], results=tmp_path, store=tmp_path / "store", tell=told.append)
    (made,) = first.rows
    assert made.reached(published(1.0, metric="principal_angle_deg")) is True
    assert made.figures["mse"] == pytest.approx(made.figures["pca_mse"], rel=0.01)
    assert (made.parameters, made.epochs) == (7, 25)
    assert made.tutorial is not None
    assert made.tutorial.epochs == 15
    assert 2 * 29 <= made.tutorial.steps_timed <= 15 * 29  # an epoch is 850 / 30 batches
    assert (tmp_path / "results.md").read_text().count("| `sine-linear-ae` |") == 1
    again = reproduce(["sine-linear-ae"], results=tmp_path, store=tmp_path / "store", tell=told.append)
    assert again.rows == first.rows
    assert told[1] == f"{told[0]} (kept from {made.measured_on})"
    assert [version.name for version in (tmp_path / "store" / "sine-linear-ae").iterdir() if version.is_dir()] == ["1"]


def test_a_row_that_cannot_be_run_is_told_of_and_passed_over(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "store").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").touch()
    write_mnist(tmp_path / "data" / "mnist", train=30, test=5)  # too few to split
    outcome = reproduce(
        ["mnist-vae-mse"], results=tmp_path, store=tmp_path / "store", data_dir=tmp_path / "data", tell=told.append
    )
    assert (outcome.rows, list(outcome.failed)) == ([], ["mnist-vae-mse"])
    assert told == ["mnist-vae-mse: FAILED: " + outcome.failed["mnist-vae-mse"]]
    assert "there are 35 items; at least 40 are needed" in told[0]
    assert not (tmp_path / "results.json").exists()


def test_a_little_of_a_data_set(tmp_path: Path) -> None:
    held = write_mnist(tmp_path / "data" / "fashion-mnist", train=600, test=100).parent
    source, what = small_source("fashion-mnist", held, tmp_path)
    assert what == f"{TRAIN_ITEMS} + {TEST_ITEMS} items of fashion-mnist"
    config = training.configure("mnist-ae", data=source)
    dataset = load(config.data, config.input)
    assert (dataset.name, len(dataset), dataset.official_test) == ("fashion-mnist", 540, 480)
    np.testing.assert_array_equal(dataset.inputs[480:, 0, 0, 0], np.arange(600, 660) % 256)

    source, what = small_source("mnist", held, tmp_path)  # not in that directory
    assert what == f"{TRAIN_ITEMS} + {TEST_ITEMS} items of mnist-5k"
    assert load(config.data.model_copy(update={"source": source}), config.input).name == "mnist-5k"
    assert small_source("sine", held, tmp_path) == ("sine", "sine")


def _served(store: ModelStore, name: str) -> tuple[Served, Manifest]:
    manifest = store.manifest(name, 1)
    return Served(store.path / name / "1", manifest), manifest


def test_importance_samples_find_the_likelihood_of_a_linear_gaussian(affine_store: ModelStore) -> None:
    """`plain-vector`: x = (z, z) + noise of variance 1, so x ~ N(0, [[2, 1], [1, 2]]); its posterior is N(., 1/3)."""
    served, _ = _served(affine_store, "plain-vector")
    x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    inverse, log_det = np.array([[2.0, -1.0], [-1.0, 2.0]]) / 3.0, np.log(3.0)
    exact = 0.5 * (np.einsum("ni,ij,nj->n", x, inverse, x) + log_det + 2.0 * np.log(2.0 * np.pi))
    np.testing.assert_allclose(importance_nll(served, x, samples=4000), exact, atol=0.05)
    few = importance_nll(served, x, samples=1)
    assert few.mean() > exact.mean()
    np.testing.assert_array_equal(few, importance_nll(served, x, samples=1))
    assert not np.array_equal(few, importance_nll(served, x, samples=1, seed=1))


def test_importance_samples_need_a_posterior(affine_store: ModelStore) -> None:
    with pytest.raises(BadSetting, match="gaussian code"):
        importance_nll(_served(affine_store, "vector")[0], np.zeros((2, 3), np.float32), samples=5)


def test_a_served_conditional_version_takes_labels(affine_store: ModelStore) -> None:
    served, manifest = _served(affine_store, "conditional")
    x = np.full((3, 4, 4, 1), 0.5, np.float32)
    labels = np.array([0, 1, 2])
    z_mean, z_log_var = served.encode(x, labels)
    np.testing.assert_allclose(z_mean[:, 0], [0.0, -1.0, -2.0], atol=1e-6)  # 8 (L − s) − 4
    assert z_log_var is not None
    assert z_log_var.shape == (3, manifest.latent.dim)
    np.testing.assert_allclose(served.reconstruct(x, labels), x, atol=1e-6)
    np.testing.assert_allclose(served.decode(np.zeros((3, 2), np.float32), labels)[:, 0, 0, 0], [0.5, 0.625, 0.75])


def test_figures_of_a_published_version(table_run: training.TrainResult) -> None:
    config = training.configure(
        "mnist-vae-mlp",
        data=str(Path(table_run.report).parents[3] / "table.csv"),
        settings={"data.label": "kind"},
    )
    data = prepare(load(config.data, config.input), config)
    served = Served(table_run.report.parent, table_run.manifest)
    figures = measure(served, data, config, QUICK)
    assert figures["elbo"] == table_run.manifest.metrics["elbo"]
    assert figures["train_to_test_mse"] == pytest.approx(figures["train_mse"] / figures["mse"])
    assert 0.3 < figures["train_to_test_mse"] < 1.5
    assert "train_bce" not in figures


def test_a_reader_learns_what_is_plain_to_see() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    x = (rng.normal(0.0, 0.1, (400, 4, 4, 1)) + labels[:, None, None, None]).astype(np.float32)
    reader = Reader.trained(x, labels)
    assert reader.share_read_as(x, labels) > 0.99
    assert reader.share_read_as(x, 1 - labels) < 0.01
    assert reader.features(x).shape == (400, 128)


def test_samples_of_pca_have_the_data_s_mean_and_spread() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(3000, 2)) * [3.0, 1.0]
    items = (5.0 + hidden @ np.linalg.qr(rng.normal(size=(6, 6)))[0][:2]).astype(np.float32).reshape(3000, 2, 3)
    drawn = pca_samples(items, 2, 3000)
    assert drawn.shape == (3000, 2, 3)
    np.testing.assert_allclose(drawn.mean(axis=0), items.mean(axis=0), atol=0.25)
    assert drawn.var(axis=0).sum() == pytest.approx(items.var(axis=0).sum(), rel=0.1)


def test_the_tutorial_is_timed_and_not_run_out() -> None:
    config = training.load_recipe("sine-linear-ae")
    data = prepare(load(config.data, config.input), config)
    assert config.published is not None
    timed = time_tutorial(config, config.published, data, budget_s=30.0, compete_s=None)
    assert timed is not None
    assert 58 <= timed.steps_timed <= 435
    assert (timed.epochs, timed.figure) == (15, None)
    assert 0.0 < timed.epoch_s < 30.0
    beaten = config.published.model_copy(update={"metric": "mse", "value": None})
    competed = time_tutorial(config, beaten, data, budget_s=0.0, compete_s=60.0)
    assert competed is not None
    assert competed.steps_timed == 15 * 29
    assert competed.figure is not None
    assert 0.015 < competed.figure < 0.1
    assert competed.figures[beaten.metric] == competed.figure
    repeated = config.published.model_copy(update={"epoch_items": 8500})
    longer = time_tutorial(config, repeated, data, budget_s=0.1, compete_s=None)
    assert longer is not None
    assert 0.0 < longer.epoch_s < 30.0
    assert longer.steps_timed < 2 * 284  # a tenth of a second is over first
    unknown = config.published.model_copy(update={"optimizer": None})
    assert time_tutorial(config, unknown, data, budget_s=1.0, compete_s=None) is None
