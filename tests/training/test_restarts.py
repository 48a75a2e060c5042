"""Several restarts of one recipe, trained side by side: each equals a run alone, and the best one is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import training
from training.autoencoder import build, can_stack, stack, unstack
from training.config import TrainConfig
from training.data import load
from training.errors import Diverged
from training.inputs import Prepared, prepare
from training.loop import fit
from training.progress import Silent
from training.runs import HistoryRow, claim
from training.tensorflow_import import import_tensorflow

tf = import_tensorflow()
SMALL = {"model.hidden": "[8]", "training.min_epoch_steps": "4", "training.restarts": "3"}


def prepared(config: TrainConfig) -> Prepared:
    return prepare(load(config.data, config.input), config)


def run(config: TrainConfig, data: Prepared, store: Path) -> tuple[list[HistoryRow], list[tuple[int, float]]]:
    """The history of a run, and what a reporter heard: epochs done and validation loss."""
    heard: list[tuple[int, float]] = []

    class Ear(Silent):
        def epoch(self, done: int, epochs: int, row: object) -> None:
            assert isinstance(row, dict)
            heard.append((done, row["val_loss"]))
            assert done <= epochs

    model = build(config, data)
    with claim(store, "m", config, "0" * 64) as claimed:
        history = fit(model, data, config, claimed, Ear()).history
        claimed.discard()
    return history, heard


def test_starts_side_by_side_answer_as_each_of_them_alone() -> None:
    config = training.configure("scurve-vae-sigma", settings=SMALL)
    data = prepared(config)
    alone = [build(config, data, start) for start in range(3)]
    together = stack(config, alone)
    x = tf.constant(data.test.x[:5])
    z_mean, z_log_var = together.encode(x)
    assert z_mean.shape == (5, 3, 1)
    outputs = together.decode(z_mean)
    assert outputs.shape == (5, 3, 2)
    for start, model in enumerate(alone):
        own_mean, own_log_var = model.encode(x)
        assert z_log_var is not None
        assert own_log_var is not None
        np.testing.assert_allclose(z_mean[:, start], own_mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(z_log_var[:, start], own_log_var, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(outputs[:, start], model.decode(own_mean), rtol=1e-5, atol=1e-6)
    assert not np.allclose(z_mean[:, 0], z_mean[:, 1])
    again = unstack(together, 2, build(config, data))
    np.testing.assert_allclose(again.encode(x)[0], alone[2].encode(x)[0])
    assert again.sigma == pytest.approx(0.22, rel=1e-5)


@pytest.mark.parametrize("patience", ["0", "20"])
@pytest.mark.parametrize("dropout", ["0.0", "0.1"])  # with dropout they train one after the other
def test_the_start_with_the_lowest_validation_loss_is_kept(patience: str, dropout: str, tmp_path: Path) -> None:
    settings = {**SMALL, "training.patience": patience, "model.dropout": dropout}
    config = training.configure("scurve-vae-sigma", settings=settings, epochs=3)
    assert can_stack(config) == (dropout == "0.0")
    history, heard = run(config, prepared(config), tmp_path)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert "start" not in history[0]
    if can_stack(config):  # one line an epoch: that of the best start
        assert [done for done, _ in heard] == [1, 2, 3]
        assert history[-1]["val_loss"] >= heard[-1][1]
    else:
        assert [done for done, _ in heard] == list(range(1, 10))
        losses = [loss for _, loss in heard]
        kept = losses[2::3] if patience == "0" else losses
        assert min(kept) in [row["val_loss"] for row in history]


def test_one_start_after_the_other_begins_like_a_run_of_its_own(tmp_path: Path) -> None:
    settings = {**SMALL, "model.dropout": "0.1", "training.restarts": "2"}
    config = training.configure("scurve-vae-sigma", settings=settings, epochs=2)
    data = prepared(config)
    _, heard = run(config, data, tmp_path)
    _, first = run(
        training.configure("scurve-vae-sigma", settings={**settings, "training.restarts": "1"}, epochs=2),
        data,
        tmp_path,
    )
    np.testing.assert_allclose(heard[:2], first, rtol=1e-5)
    assert heard[2:] != heard[:2]


def test_a_loss_that_becomes_no_number_leaves_the_best_weights_in_the_checkpoint(tmp_path: Path) -> None:
    settings = {**SMALL, "training.restarts": "1", "optimizer.warmup": "1.0", "optimizer.learning_rate": "1e22"}
    config = training.configure("scurve-vae-kl-off", settings=settings, epochs=10_000)
    data = prepared(config)
    with claim(tmp_path, "m", config, "0" * 64) as claimed:
        with pytest.raises(Diverged, match=r"learning_rate; the checkpoint keeps the weights of epoch \d"):
            fit(build(config, data), data, config, claimed, Silent())
        checkpoint = claimed.load()
    losses = [row["val_loss"] for row in checkpoint.history]
    assert np.isfinite(losses).all()
    assert all(np.isfinite(array).all() for array in checkpoint.best)
