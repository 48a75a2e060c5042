"""Whole runs: from a file to a published version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import training
from model_store.errors import GoldenMismatch, StoreNotWritable
from model_store.golden import compare, read_golden
from model_store.heldout import read_heldout
from model_store.manifest import ImageInput, ManifestBody, VectorInput
from model_store.preprocess import array_to_input
from model_store.prior import read_prior
from model_store.scoring import kl_per_item
from model_store.verify import verify_version
from tests.training.files import write_table
from training.data.sine import load_sine
from training.data.splits import split
from training.errors import Diverged
from training.tensorflow_import import import_tensorflow

ROOT = Path(__file__).parents[2]
FIGURES = {"history.png", "reconstructions.png", "codes.png", "codes.gif", "joint.png", "manifold.png", "samples.png"}
OF_PICTURES = {"homotopy.png", "manifold.gif"}
TABLES = {"metrics.json", "history.csv", "diagnosis.json"}


@pytest.mark.parametrize("run", ["table_run", "picture_run"])
def test_a_published_version_keeps_the_contract(run: str, request: pytest.FixtureRequest) -> None:
    result: training.TrainResult = request.getfixturevalue(run)
    version = result.report.parent
    assert verify_version(version) == result.manifest
    assert result.manifest.engines == ("tensorflow",)
    figures = FIGURES | (OF_PICTURES if result.manifest.input.kind == "image" else set())
    assert {path.name for path in result.report.iterdir()} == figures | TABLES
    assert json.loads((result.report / "metrics.json").read_text()) == result.manifest.metrics
    golden = read_golden(version / "golden.npz", result.manifest)
    np.testing.assert_array_equal(golden.replay_inputs(result.manifest.input), golden.x)
    assert len(golden) >= 8
    assert read_prior(version / "prior.npz", result.manifest.latent.dim).weights.sum() == pytest.approx(1.0)
    held_out = read_heldout(version / "heldout.npz", result.manifest)
    assert len(held_out.codes) == result.manifest.dataset.test_items
    assert held_out.labels is not None
    assert "/" not in json.dumps(result.manifest.recipe)  # no path of this machine


@pytest.mark.parametrize("run", ["table_run", "picture_run"])
def test_saved_models_answer_by_name_for_any_batch(run: str, request: pytest.FixtureRequest) -> None:
    tf = import_tensorflow()
    result: training.TrainResult = request.getfixturevalue(run)
    version, manifest = result.report.parent, result.manifest
    encoder, decoder = (
        tf.saved_model.load(str(version / half)).signatures["serving_default"] for half in ("encoder", "decoder")
    )
    golden = read_golden(version / "golden.npz", manifest)
    for n in (1, 3, 8):
        codes = encoder(x=tf.constant(golden.x[:n]))
        assert set(codes) == {"z_mean", "z_log_var"}
        compare("z_mean", codes["z_mean"].numpy(), golden.z_mean[:n], manifest.tolerance)
        outputs = decoder(z=codes["z_mean"])
        assert set(outputs) == {"outputs"}
        compare("outputs", outputs["outputs"].numpy(), golden.outputs[:n], manifest.tolerance)
    if manifest.input.value_range == (0.0, 1.0):
        far = decoder(z=tf.fill((2, manifest.latent.dim), 50.0))["outputs"].numpy()
        assert 0.0 <= far.min() <= far.max() <= 1.0


def test_pictures_of_mixed_sizes_become_the_size_that_was_asked_for(picture_run: training.TrainResult) -> None:
    manifest = picture_run.manifest
    assert isinstance(manifest.input, ImageInput)
    assert (manifest.input.shape, manifest.input.class_names) == ((13, 10, 3), ("dark", "light"))
    assert (manifest.family, manifest.likelihood.kind) == ("convolutional-vae", "bernoulli")
    assert set(manifest.metrics) >= {"mse", "bce", "nll", "kl", "elbo", "active_units", "knn_accuracy"}
    assert set(manifest.metrics) >= {"pca_mse", "pca_bce", "pca_knn_accuracy"}


def test_a_table_is_learnt_in_its_own_units(table_run: training.TrainResult) -> None:
    manifest, version = table_run.manifest, table_run.report.parent
    assert isinstance(manifest.input, VectorInput)
    assert manifest.input.preprocess is not None
    assert manifest.input.preprocess.columns == tuple(f"c{i}" for i in range(13))
    assert (manifest.input.class_names, manifest.family) == (("high", "low"), "dense-vae")
    # Two hidden numbers and noise of deviation 0.1 in columns of about 1: a collapsed model has an mse of 1.
    assert manifest.metrics["mse"] < 0.2
    assert manifest.metrics["active_units"] == 2
    assert manifest.likelihood.sigma is not None
    # That of samples, which miss by more than the means do.
    assert manifest.metrics["mse"] < manifest.likelihood.sigma**2 < 4 * manifest.metrics["mse"]
    assert manifest.metrics["elbo"] == pytest.approx(-(manifest.metrics["nll"] + manifest.metrics["kl"]))
    assert "bce" not in manifest.metrics

    tf = import_tensorflow()
    held_out = read_heldout(version / "heldout.npz", manifest)
    np.testing.assert_allclose(held_out.inputs.mean(axis=0), 100.0 * np.arange(13), atol=15)
    x = array_to_input(held_out.inputs, manifest.input)
    codes = tf.saved_model.load(str(version / "encoder")).signatures["serving_default"](x=tf.constant(x))
    np.testing.assert_allclose(codes["z_mean"], held_out.codes, atol=1e-5)
    kl = kl_per_item(codes["z_mean"].numpy(), codes["z_log_var"].numpy())
    assert manifest.metrics["kl"] == pytest.approx(kl.mean(), rel=1e-5)


def test_the_linear_autoencoder_is_pca(tmp_path: Path) -> None:
    result = training.train(training.load_recipe("sine-linear-ae"), store=tmp_path)
    mse, pca_mse = result.metrics["mse"]
    assert mse is not None
    assert pca_mse is not None
    assert mse == pytest.approx(pca_mse, rel=0.01)
    tf = import_tensorflow()
    decoder = tf.saved_model.load(str(result.report.parent / "decoder")).signatures["serving_default"]
    low, high = decoder(z=tf.constant([[0.0], [1.0]]))["outputs"].numpy()
    train = load_sine().inputs[split(1000).train].astype(np.float64)
    component = np.linalg.eigh(np.cov(train.T))[1][:, -1]
    cosine = abs(component @ (high - low)) / np.linalg.norm(high - low)
    assert np.degrees(np.arccos(min(1.0, cosine))) < 1.0
    assert result.manifest.latent.distribution == "deterministic"
    assert set(result.metrics) == {"mse", "nll", "active_units"}


def test_the_same_seed_gives_the_same_model_and_another_does_not(table: Path, tmp_path: Path) -> None:
    def mse(seed: int) -> float:
        config = training.configure(
            "mnist-ae", data=str(table), epochs=2, seed=seed, settings={"model.hidden": "[8]", "latent.dim": "2"}
        )
        return training.train(config, store=tmp_path / "store").manifest.metrics["mse"]

    assert mse(0) == mse(0)
    assert mse(0) != mse(1)


def test_training_stops_when_validation_no_longer_improves(table: Path, tmp_path: Path) -> None:
    config = training.configure(
        "mnist-ae",
        data=str(table),
        epochs=200,
        settings={
            "model.hidden": "[64]",
            "latent.dim": "1",
            "training.patience": "3",
            "optimizer.learning_rate": "0.05",
        },
    )
    rows = (training.train(config, store=tmp_path).report / "history.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[5]) for row in rows]
    assert len(losses) < 200
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


def test_a_loss_that_is_no_number_ends_the_run_and_nothing_is_published(table: Path, tmp_path: Path) -> None:
    config = training.configure(
        "mnist-vae-mlp", data=str(table), epochs=3, settings={"optimizer.learning_rate": "1e30"}
    )
    with pytest.raises(Diverged, match=r"the loss is .*lower optimizer\.learning_rate"):
        training.train(config, store=tmp_path / "store")
    assert list((tmp_path / "store").glob("[!.]*")) == []


def test_a_network_whose_outputs_are_no_numbers_is_not_published_though_its_loss_was_one(tmp_path: Path) -> None:
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).random((500, 8, 8), np.float32))
    settings = {"optimizer.learning_rate": "1e30", "latent.dim": "4", "likelihood.kind": "gaussian"}
    config = training.configure("mnist-ae", data=str(tmp_path / "noise.npy"), epochs=3, settings=settings)
    with pytest.raises(Diverged, match=r"lower optimizer\.learning_rate"):
        training.train(config, store=tmp_path / "store")
    assert list((tmp_path / "store").glob("[!.]*")) == []


def test_an_engine_that_cannot_serve_the_version_is_left_out(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def works(directory: Path, body: ManifestBody) -> None:
        seen.append(f"{(directory / 'encoder' / 'saved_model.pb').is_file()} {body.latent.dim}")

    def fails(_directory: Path, _body: ManifestBody) -> None:
        raise GoldenMismatch("outputs differ")

    config = training.configure("sine-linear-ae", data=str(table), epochs=1)
    result = training.train(
        config, store=tmp_path / "store", name="m", checks={"works": works, "fails": fails}, progress=True
    )
    assert seen == ["True 1"]
    assert result.manifest.engines == ("tensorflow", "works")
    errors = capsys.readouterr().err
    assert "warning: the fails engine cannot serve this version: outputs differ" in errors
    assert "epoch 1/1  loss " in errors


def test_bad_input_is_refused_before_tensorflow_and_leaves_nothing(tmp_path: Path) -> None:
    """One process tries them all, and ends by looking at what it has imported."""
    write_table(tmp_path / "good.csv")
    (tmp_path / "bad.csv").write_text("a,b\n" + "1,2\n" * 50 + "1,x\n")
    (tmp_path / "file").touch()
    program = """
import sys, training
from pathlib import Path
from model_store.errors import StoreError
def attempt(recipe, data, store="store", name=None, resume=False, **settings):
    try:
        config = training.configure(recipe, data=data, settings=settings)
        training.train(config, store=Path(store), name=name, resume=resume)
    except (training.TrainingError, StoreError) as error:
        print(f"{type(error).__name__}: {error}")
attempt("mnist", None)
attempt("mnist-vae-mlp", "bad.csv")
attempt("mnist-vae-mlp", "missing")
attempt("mnist-vae", "good.csv", **{"data.label": "kind"})
attempt("mnist-vae-mlp", "good.csv", name="Not A Name", **{"data.label": "kind"})
attempt("mnist-vae-mlp", "good.csv", store="file", **{"data.label": "kind"})
attempt("mnist-vae-mlp", "good.csv", resume=True, **{"data.label": "kind"})
print([module for module in ("tensorflow", "keras", "matplotlib") if module in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    kinds = ["UnknownRecipe", "DataError", "DataError", "DataError", "BadName", "StoreNotWritable", "NothingToResume"]
    assert [line.partition(":")[0] for line in lines[:-1]] == kinds
    assert "bad.csv, row 52, column 'b'" in lines[1]
    assert (lines[-1], done.stderr) == ("[]", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "file", "good.csv"]


def test_a_run_prints_its_own_lines_and_nothing_else(table: Path, tmp_path: Path) -> None:
    program = """
import sys, training
from pathlib import Path
config = training.configure("mnist-vae-mlp", data=sys.argv[1], epochs=2)
training.train(config, store=Path(sys.argv[2]), progress=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(table), str(tmp_path / "store")],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("TF_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == (
        "training mnist-vae-mlp (mnist-vae-mlp) on table.csv: 44 vectors of 3, 8 for validation, 8 for the test"
    )
    assert [line.split("  ")[0] for line in lines[1:3]] == ["epoch 1/2", "epoch 2/2"]
    assert lines[3:5] == ["evaluating on the test split, beside PCA", "exporting and checking the export"]
    assert [line for line in lines[5:] if "mse" in line or "elbo" in line]


def test_a_store_that_cannot_be_written(table: Path, tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(StoreNotWritable):
        training.train(training.configure("mnist-vae-mlp", data=str(table)), store=tmp_path / "store")
