"""The reports of the rarer kinds of model."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import training
from tests.training.files import write_pictures

TINY = {"input.size": "8", "input.colour": "grey", "training.min_epoch_steps": "2"}


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    return str(write_pictures(tmp_path / "pictures"))


def report(recipe: str, data: str, store: Path, **settings: str) -> Path:
    config = training.configure(recipe, data=data, epochs=1, settings=TINY | settings)
    return training.train(config, store=store, name="m").report


def rows(path: Path) -> float:
    """Rows of square pictures in a figure: each adds 0.85 inches to half an inch, at 120 dots an inch."""
    with Image.open(path) as figure:
        return (figure.height / 120 - 0.5) / 0.85


def test_a_conditional_model_shows_one_style_on_every_label(pictures: str, tmp_path: Path) -> None:
    found = report("mnist-cvae", pictures, tmp_path / "store", **{"model.hidden": "[8]", "latent.dim": "3"})
    with Image.open(found / "styles.png") as styles:
        # Two items of two classes, each original, then as either: a table of two rows and three columns.
        assert 0.5 < styles.width / styles.height < 2.0
    assert rows(found / "homotopy.png") == pytest.approx(2, abs=0.02)  # one pair alone: a line has one label


def test_a_denoising_model_shows_what_it_was_given(pictures: str, tmp_path: Path) -> None:
    found = report("mnist-ae", pictures, tmp_path / "store", **{"model.hidden": "[8]", "corrupt.noise": "0.3"})
    assert rows(found / "reconstructions.png") == pytest.approx(3, abs=0.02)
    assert rows(found / "homotopy.png") == pytest.approx(4, abs=0.02)
    assert not (found / "styles.png").exists()


def test_sequences_are_drawn_as_pictures(pictures: str, tmp_path: Path) -> None:
    found = report("fashion-lstm-ae", pictures, tmp_path / "store", **{"model.units": "4", "latent.dim": "2"})
    assert rows(found / "reconstructions.png") == pytest.approx(2, abs=0.02)
    assert {path.name for path in found.glob("manifold*")} == {
        "manifold.png", "manifold.gif", "manifold-15-linear.png", "manifold-30-linear.png", "manifold-30-quantiles.png",
    }  # fmt: skip
