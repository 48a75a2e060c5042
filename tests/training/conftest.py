"""Training runs that several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

import training
from tests.training.files import write_pictures, write_table


@pytest.fixture(scope="session")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> training.TrainResult:
    """A dense VAE of two dimensions on a table of 13 columns and a label, trained for a few epochs."""
    directory = tmp_path_factory.mktemp("table")
    config = training.configure(
        "mnist-vae-mlp",
        data=str(write_table(directory / "table.csv", rows=200)),
        settings={"data.label": "kind", "model.hidden": "[32]", "model.dropout": "0.0"},
        epochs=10,
    )
    return training.train(config, store=directory / "store", name="table")


@pytest.fixture(scope="session")
def picture_run(tmp_path_factory: pytest.TempPathFactory) -> training.TrainResult:
    """The convolutional VAE on RGB pictures of mixed sizes in two sub-folders, brought to an odd size."""
    directory = tmp_path_factory.mktemp("pictures")
    config = training.configure(
        "mnist-vae",
        data=str(write_pictures(directory / "pictures")),
        settings={"input.size": "13x10", "latent.dim": "3", "model.filters": "[4, 8]", "model.dense": "16"},
        epochs=2,
    )
    return training.train(config, store=directory / "store", name="pictures")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small CSV without a label."""
    return write_table(tmp_path / "table.csv", columns=3, label=False)
