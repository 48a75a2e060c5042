"""Every family of models: exported, both engines answer as the trained network does, without random draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import training
from model_store.golden import read_golden
from model_store.manifest import ManifestBody
from model_store.prior import Mixture
from model_store.verify import GOLDEN, scan_halves
from service.engines.openvino_engine import OpenVinoEngine
from service.engines.openvino_streams import OpenVinoStreamsEngine
from service.models.loaded_version import check_directory, load_and_prove
from training.autoencoder import build
from training.data.dataset import Dataset
from training.evaluate import evaluate
from training.export import write_version
from training.inputs import Prepared, prepare
from training.loop import fit
from training.progress import Silent
from training.runs import claim
from training.tensorflow_import import import_tensorflow

RNG = np.random.default_rng(11)
LABELS = np.arange(120) % 10
STRIPES = np.where(np.arange(28)[None, :, None] % (LABELS[:, None, None] + 2) == 0, 220, 10) + RNG.integers(
    0, 30, (120, 28, 28)
)
PICTURES = Dataset("stripes", STRIPES[..., None].astype(np.uint8), LABELS, tuple("0123456789"))
FAMILIES = [
    ("fashion-conv-ae", "convolutional-ae", {}),
    ("fashion-denoising-ae", "convolutional-ae", {}),
    ("mnist-conv-ae", "convolutional-ae", {}),
    ("fashion-conv-vae", "convolutional-vae", {"model.encoder": '["c2-1 relu", "c2-8 s2 relu", "dense-16 relu"]'}),
    ("fashion-lstm-ae", "lstm-ae", {"model.units": "16"}),
    ("mnist-vae-bn", "dense-vae", {"model.hidden": "[32, 16]"}),
    ("mnist-cvae", "dense-vae", {"model.hidden": "[32, 16]"}),
    ("mnist-iwae", "dense-vae", {"model.hidden": "[32]"}),
    ("mnist-vae-mse", "dense-vae", {"model.hidden": "[32]", "likelihood.sigma": "learned", "objective.form": "nats"}),
    ("fashion-vae", "dense-vae", {"model.hidden": "[32]", "likelihood.kind": "continuous_bernoulli"}),
]


def trained(recipe: str, settings: dict[str, str], directory: Path) -> tuple[ManifestBody, dict[str, float], Prepared]:
    """A version on disk, a few steps old, in `directory`."""
    short = {"training.min_epoch_steps": "3", "training.batch_size": "32", "training.patience": "0"}
    config = training.configure(recipe, epochs=2, settings={**short, **settings})
    data = prepare(PICTURES, config)
    model = build(config, data)
    with claim(directory / "store", "m", config, data.record.sha256) as run:
        fit(model, data, config, run, Silent())
        run.discard()
    evaluation = evaluate(model, data, config)
    dimensions = model.latent_dim
    prior = Mixture(np.ones(1), np.zeros((1, dimensions)), np.eye(dimensions)[None])
    version = directory / "version"
    version.mkdir()
    return write_version(version, model, data, evaluation, config, prior), evaluation.metrics, data


@pytest.mark.parametrize(("recipe", "family", "settings"), FAMILIES)
def test_a_family_is_exported_and_served_on_both_engines(
    recipe: str, family: str, settings: dict[str, str], tmp_path: Path
) -> None:
    body, metrics, data = trained(recipe, settings, tmp_path)
    assert body.family == family
    for engine in ("tensorflow", "openvino"):
        check_directory(engine, tmp_path / "version", body)
    golden = read_golden(tmp_path / "version" / GOLDEN, body)
    for alone in (OpenVinoEngine(1), OpenVinoStreamsEngine(2)):
        halves = load_and_prove(scan_halves(tmp_path / "version"), alone, body, golden, batch=5)
        assert {half.gains_by_batch for half in halves} == {family.startswith("convolutional")}
    tf = import_tensorflow()
    for half in ("encoder", "decoder"):
        loaded = tf.saved_model.load(str(tmp_path / "version" / half)).signatures["serving_default"]
        graph = loaded.graph.as_graph_def()
        kinds = {node.op for node in graph.node}
        kinds |= {node.op for function in graph.library.function for node in function.node_def}
        assert not {kind for kind in kinds if "Random" in kind}, half
    assert np.isfinite(list(metrics.values())).all()
    assert body.input.conditional == (recipe == "mnist-cvae")
    assert body.input.kind == ("sequence" if recipe == "fashion-lstm-ae" else "image")
    assert len(data.test) == 12


def test_a_denoising_recipe_measures_noisy_in_and_clean_out_beside_clean_in(tmp_path: Path) -> None:
    _, metrics, _ = trained("fashion-denoising-ae", {}, tmp_path)
    assert metrics["noisy_bce"] != metrics["bce"]
    assert {"noisy_mse", "noisy_bce"} <= metrics.keys()


def test_a_learned_sigma_reaches_the_manifest(tmp_path: Path) -> None:
    settings = {"model.hidden": "[8]", "likelihood.sigma": "learned", "likelihood.sigma_start": "0.37"}
    body, _, _ = trained("mnist-vae-mse", {**settings, "objective.form": "nats"}, tmp_path)
    assert body.likelihood.kind == "gaussian"
    assert body.likelihood.sigma == pytest.approx(0.37, rel=0.1)  # six steps of Adam at 0.003 at most
    assert body.likelihood.sigma != 0.37
