"""One test suite for every engine and every affine model: equal names, kinds of array and answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import Manifest, ModelStore
from model_store.arrays import Float32
from model_store.artefacts import scan_half
from model_store.errors import GoldenMismatch
from model_store.golden import Golden, read_golden
from model_store.preprocess import one_hot_rows
from model_store.verify import DECODER, ENCODER, GOLDEN, scan_halves
from service.engines import ENGINES, Engine, EngineError, Program, create_engine
from service.models.loaded_version import load_and_prove, load_version
from tests.support.affine import AFFINE, Affine
from tests.support.saved_models import node, write_half
from tests.support.server import ROOT, environment

BATCHES = [1, 2, 7, 65]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    name: str = request.param
    return create_engine(name, 1)


@pytest.fixture(scope="module", params=sorted(AFFINE))
def model(request: pytest.FixtureRequest) -> Affine:
    """Each affine model in turn."""
    return AFFINE[request.param]


@pytest.fixture(scope="module")
def version(affine_store: ModelStore, model: Affine) -> Path:
    """The directory of its one version."""
    return affine_store.directory(model.name, 1)


@pytest.fixture(scope="module")
def manifest(affine_store: ModelStore, model: Affine) -> Manifest:
    return affine_store.manifest(model.name, 1)


@pytest.fixture(scope="module")
def encoder(engine: Engine, version: Path) -> Program:
    return engine.load(scan_half(version / ENCODER))


@pytest.fixture(scope="module")
def decoder(engine: Engine, version: Path) -> Program:
    return engine.load(scan_half(version / DECODER))


def inputs(model: Affine, n: int, seed: int = 1) -> tuple[Float32, NDArray[np.int64] | None]:
    """Items in the network's units (n, …), and class indices (n,) where the model is conditional."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n) if model.input.conditional else None
    return rng.random((n, *model.input.shape), np.float32), labels


def codes(model: Affine, n: int, seed: int = 2) -> Float32:
    """Codes (n, d)."""
    return np.random.default_rng(seed).normal(size=(n, model.latent.dim)).astype(np.float32)


def test_tensors_are_matched_by_name(model: Affine, encoder: Program, decoder: Program) -> None:
    condition = {"labels"} if model.input.conditional else set()
    assert encoder.input_names == {"x"} | condition
    assert encoder.output_names == ({"z"} if model.z_log_var is None else {"z_mean", "z_log_var"})
    assert decoder.input_names == {"z"} | condition
    assert decoder.output_names == {"outputs"}


@pytest.mark.parametrize("n", BATCHES)
def test_the_encoder_answers_the_truth(model: Affine, manifest: Manifest, encoder: Program, n: int) -> None:
    x, labels = inputs(model, n)
    answer = encoder.infer({"x": x} | one_hot_rows(labels, manifest.input))
    z_mean, z_log_var = model.encode(x, labels)
    np.testing.assert_allclose(answer["z" if z_log_var is None else "z_mean"], z_mean, rtol=0, atol=1e-6)
    if z_log_var is not None:
        np.testing.assert_allclose(answer["z_log_var"], z_log_var, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", BATCHES)
def test_the_decoder_answers_the_truth(model: Affine, manifest: Manifest, decoder: Program, n: int) -> None:
    _, labels = inputs(model, n)
    z = codes(model, n)
    answer = decoder.infer({"z": z} | one_hot_rows(labels, manifest.input))
    np.testing.assert_allclose(answer["outputs"], model.decode(z, labels), rtol=0, atol=1e-6)


def test_answers_are_float32_in_c_order(model: Affine, manifest: Manifest, encoder: Program, decoder: Program) -> None:
    x, labels = inputs(model, 3)
    condition = one_hot_rows(labels, manifest.input)
    for program, given in ((encoder, {"x": x}), (decoder, {"z": codes(model, 3)})):
        for array in program.infer(given | condition).values():
            assert array.dtype == np.float32
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert len(array) == 3


def test_an_answer_is_the_callers_own(model: Affine, manifest: Manifest, decoder: Program) -> None:
    """A later call, of the same size or another, must not write over it."""
    _, labels = inputs(model, 4)
    condition = one_hot_rows(labels, manifest.input)
    first = decoder.infer({"z": codes(model, 4)} | condition)["outputs"]
    kept = first.copy()
    decoder.infer({"z": codes(model, 4, seed=9)} | condition)
    decoder.infer({"z": codes(model, 1, seed=9)} | {name: rows[:1] for name, rows in condition.items()})
    np.testing.assert_array_equal(first, kept)


def test_what_was_sent_is_left_alone(model: Affine, manifest: Manifest, encoder: Program) -> None:
    x, labels = inputs(model, 2)
    sent = x.copy()
    answer = encoder.infer({"x": x} | one_hot_rows(labels, manifest.input))
    for array in answer.values():
        array[:] = -7.0
    np.testing.assert_array_equal(x, sent)


@pytest.mark.parametrize("n", BATCHES)
def test_a_row_does_not_depend_on_its_batch(model: Affine, manifest: Manifest, decoder: Program, n: int) -> None:
    _, labels = inputs(model, n)
    z, condition = codes(model, n), one_hot_rows(labels, manifest.input)
    together = decoder.infer({"z": z} | condition)["outputs"]
    alone = [
        decoder.infer({"z": z[i : i + 1]} | {name: rows[i : i + 1] for name, rows in condition.items()})["outputs"]
        for i in range(n)
    ]
    tolerance = manifest.tolerance
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=tolerance.rtol, atol=tolerance.atol)


def test_rows_of_any_layout_are_understood(model: Affine, manifest: Manifest, encoder: Program) -> None:
    x, labels = inputs(model, 6)
    backwards = np.asfortranarray(x[::-1])[::-1]
    condition = one_hot_rows(labels, manifest.input)
    expected = encoder.infer({"x": x} | condition)
    for name, array in encoder.infer({"x": backwards} | condition).items():
        np.testing.assert_array_equal(array, expected[name])


def test_the_goldens_are_reproduced(engine: Engine, version: Path, manifest: Manifest) -> None:
    encoder, decoder = load_and_prove(scan_halves(version), engine, manifest, read_golden(version / GOLDEN, manifest))
    assert encoder.input_names >= {"x"}
    assert decoder.output_names == {"outputs"}


def altered(golden: Golden, name: str) -> Golden:
    """The goldens with one number of one array off by 0.01."""
    array = getattr(golden, name).copy()
    array.flat[-1] += 0.01
    return Golden(**{**vars(golden), name: array})


@pytest.mark.parametrize("name", ["x", "z_mean", "outputs"])
def test_one_wrong_number_in_the_goldens_is_refused(
    engine: Engine, version: Path, manifest: Manifest, name: str
) -> None:
    golden = altered(read_golden(version / GOLDEN, manifest), name)
    with pytest.raises(GoldenMismatch, match="preprocessing" if name == "x" else name):
        load_and_prove(scan_halves(version), engine, manifest, golden)


def test_a_graph_that_cannot_be_run_is_named(engine: Engine, tmp_path: Path) -> None:
    """Nothing forbidden is in it, but a convolution of nothing."""
    artefact = scan_half(write_half(tmp_path / "encoder", [node("Conv2D", "outputs")]))
    with pytest.raises(EngineError, match=r"(cannot|may not) load encoder") as refused:
        engine.load(artefact)
    assert str(tmp_path) not in str(refused.value)


def test_halves_with_the_wrong_names_are_refused(engine: Engine, affine_store: ModelStore) -> None:
    """A manifest that promises a distribution over an encoder that answers a code."""
    manifest = affine_store.manifest("vector", 1)
    golden = read_golden(affine_store.directory("vector", 1) / GOLDEN, manifest)
    promised = manifest.model_copy(update={"latent": manifest.latent.model_copy(update={"distribution": "gaussian"})})
    with pytest.raises(EngineError, match=r"encoder takes \['x'\] and answers \['z'\]"):
        load_and_prove(scan_halves(affine_store.directory("vector", 1)), engine, promised, golden)


@pytest.mark.parametrize("name", ["tensor-flow", "", "OpenVINO"])
def test_an_engine_that_does_not_exist(name: str) -> None:
    with pytest.raises(EngineError, match="there are openvino, tensorflow"):
        create_engine(name, 1)


@pytest.mark.parametrize("max_batch_items", [1, 64])
def test_every_bucket_answers_as_the_model_does(affine_store: ModelStore, engine: Engine, max_batch_items: int) -> None:
    """Padding and splitting show in no answer: 65 rows are 64 and 1, or 65 times 1."""
    loaded = load_version(affine_store.directory("image", 1), "auto", lambda _: engine, max_batch_items)
    z = codes(AFFINE["image"], 65)
    for n in (1, 3, 64, 65):
        np.testing.assert_allclose(
            loaded.decoder.infer({"z": z[:n]})["outputs"], AFFINE["image"].decode(z[:n]), atol=1e-6
        )


def test_openvino_computes_in_float32_whatever_the_cpu_could(affine_store: ModelStore) -> None:
    """In bfloat16, z = 4 · mean - 2 over 1/3 and 2/3 would be off by more than 1e-3."""
    x = np.full((1, 4, 4, 1), 1 / 3, np.float32)
    x[:, :, 2:] = 2 / 3
    program = create_engine("openvino", 1).load(scan_half(affine_store.directory("image", 1) / ENCODER))
    np.testing.assert_allclose(program.infer({"x": x})["z_mean"], [[-2 / 3, 2 / 3]], rtol=0, atol=1e-6)


WITHOUT_TENSORFLOW = """
import asyncio, sys
from pathlib import Path
from service.app import create_app
from service.settings import Settings
from service.models.served_model import Clock

async def main():
    app = create_app(Settings(engine="auto"))
    async with app.router.lifespan_context(app):
        model = await app.state.services.registry.get("image", Clock.until(60))
        print(model.engine)
    print(sorted(name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras", "absl")))

asyncio.run(main())
"""


def test_neither_tensorflow_nor_openvinos_converter_is_in_the_process_of_an_openvino_service(
    affine_store: ModelStore,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW],
        cwd=ROOT,
        env=environment({"store": affine_store.path}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-2:] == ["openvino", "[]"]
