"""Preparing data sets as the network's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import training
from model_store.manifest import ImageInput, VectorInput
from training.config import InputConfig
from training.data import load
from training.data.dataset import Dataset
from training.errors import BadSetting, DataError
from training.inputs import prepare

TABLE = Dataset("t", np.stack([np.arange(100) * 2.0, np.full(100, 7.0)], axis=1).astype(np.float32), columns=("a", "b"))
IMAGES = Dataset("i", np.tile(np.arange(100, dtype=np.uint8)[:, None, None, None], (1, 6, 5, 1)))


def test_columns_are_standardised_by_the_training_split_alone() -> None:
    data = prepare(TABLE, training.load_recipe("mnist-vae-mlp"))
    assert isinstance(data.spec, VectorInput)
    assert data.spec.preprocess is not None
    column = data.train.inputs[:, 0].astype(np.float64)
    assert data.spec.preprocess.mean == pytest.approx((column.mean(), 7.0))
    assert data.spec.preprocess.deviation == pytest.approx((column.std(), 1.0))  # a constant column is left alone
    assert data.spec.preprocess.columns == ("a", "b")
    assert data.train.x[:, 0].mean() == pytest.approx(0.0, abs=1e-6)
    assert data.train.x[:, 0].std() == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_array_equal(data.test.x[:, 1], 0.0)
    assert data.spec.value_range is None
    assert (data.record.train_items, data.record.validation_items, data.record.test_items) == (82, 8, 10)


def test_images_are_scaled_and_resized_on_request() -> None:
    data = prepare(IMAGES, training.load_recipe("mnist-vae"))
    assert isinstance(data.spec, ImageInput)
    assert data.spec.shape == (6, 5, 1)
    np.testing.assert_allclose(data.test.x[:, 0, 0, 0] * 255, data.test.inputs[:, 0, 0, 0], rtol=1e-6)
    config = training.configure(
        "mnist-vae", settings={"input.size": "12x9", "input.colour": "rgb", "input.fit": "stretch"}
    )
    resized = prepare(IMAGES, config)
    assert resized.spec.shape == (12, 9, 3)
    np.testing.assert_array_equal(resized.test.inputs[:, 0, 0, 2], data.test.inputs[:, 0, 0, 0])


@pytest.mark.parametrize(
    ("recipe", "dataset", "settings", "error", "message"),
    [
        ("mnist-vae", TABLE, {}, DataError, "cannot train on t: .* vectors of 2 values; try the recipe mnist-vae-mlp"),
        (
            "mnist-vae-mlp",
            TABLE,
            {"input.size": "8"},
            BadSetting,
            "input.size and .* are for images, but t holds vectors",
        ),
        ("mnist-vae-mlp", TABLE, {"input.kind": "image"}, BadSetting, "input.kind is image, but t holds vectors"),
        ("mnist-vae", IMAGES, {"input.kind": "vector"}, BadSetting, "input.kind is vector, but i holds images"),
        ("mnist-vae", IMAGES, {"likelihood.sigma": "0.5"}, BadSetting, "needs likelihood.kind=gaussian"),
        (
            "mnist-vae-mlp",
            TABLE,
            {"augment.shift": "0.1"},
            BadSetting,
            "augment is for images",
        ),
        (
            "mnist-vae-mlp",
            TABLE,
            {"likelihood.kind": "bernoulli"},
            BadSetting,
            r"needs values in \[0, 1\] and input.standardise=false",
        ),
    ],
)
def test_recipes_and_data_that_do_not_fit_together(
    recipe: str, dataset: Dataset, settings: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        prepare(dataset, training.configure(recipe, settings=settings))


def test_vectors_in_the_unit_interval_may_be_probabilities() -> None:
    dataset = Dataset("p", np.random.default_rng(0).uniform(size=(60, 4)).astype(np.float32))
    config = training.configure(
        "mnist-vae-mlp", settings={"likelihood.kind": "bernoulli", "input.standardise": "false"}
    )
    assert prepare(dataset, config).spec.value_range == (0.0, 1.0)


def test_too_few_items(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 39)
    config = training.configure("mnist-vae-mlp", data=str(tmp_path / "t.csv"))
    with pytest.raises(DataError, match="there are 39 items"):
        training.train(config, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("constant", [np.full((2000, 6, 5, 1), 128, np.uint8), np.full((100, 2), 7.0, np.float32)])
def test_items_that_are_all_the_same_teach_nothing(constant: np.ndarray) -> None:
    said = rf"all {len(constant)} items of c are the same: there is nothing to learn from them"
    with pytest.raises(DataError, match=said):
        prepare(Dataset("c", constant), training.load_recipe("mnist-vae-mlp"))
    constant[-1, 0] = 9  # one of them differs, in one value
    prepare(Dataset("c", constant), training.load_recipe("mnist-vae-mlp"))


@pytest.mark.parametrize("recipe", ["sine-linear-ae", "sine-deep-ae", "mnist-vae-mlp"])
def test_tables_are_standardised_by_every_recipe_and_the_sine_by_none(recipe: str) -> None:
    table = prepare(TABLE, training.load_recipe(recipe))
    assert table.train.x[:, 0].std() == pytest.approx(1.0, rel=1e-6)
    sine = load(training.configure(recipe, data="sine").data, InputConfig())
    assert prepare(sine, training.load_recipe(recipe)).spec.preprocess is None


def test_an_images_rows_are_the_steps_of_a_sequence() -> None:
    data = prepare(IMAGES, training.configure("fashion-lstm-ae", settings={"latent.dim": "4"}))
    assert (data.spec.kind, data.spec.shape, data.spec.value_range) == ("sequence", (6, 5), (0.0, 1.0))
    assert data.test.inputs.dtype == np.float32
    assert data.test.x.max() <= 99 / 255 + 1e-6
    np.testing.assert_array_equal(data.served_x(data.test.inputs), data.test.x)
    with pytest.raises(DataError, match=r"an LSTM needs sequences .*; for images set input\.kind"):
        prepare(IMAGES, training.configure("fashion-lstm-ae", settings={"input.kind": "image"}))
    with pytest.raises(BadSetting, match=r"input\.kind is sequence, but t holds vectors"):
        prepare(TABLE, training.configure("mnist-vae-mlp", settings={"input.kind": "sequence"}))


def test_held_out_digits_are_binarised_once_and_training_digits_stay_grey() -> None:
    config = training.load_recipe("mnist-vae-binary")
    first, second = prepare(IMAGES, config), prepare(IMAGES, training.configure("mnist-vae-binary", seed=9))
    assert set(np.unique(first.test.x)) == {0.0, 1.0}
    np.testing.assert_array_equal(first.test.x, second.test.x)  # whatever the seed of the run
    grey = first.test.inputs / np.float32(255)
    assert first.test.x.mean() == pytest.approx(grey.mean(), abs=0.06)  # 300 pixels: three standard errors
    np.testing.assert_allclose(first.train.x * 255, first.train.inputs, atol=1e-4)
    np.testing.assert_allclose(first.served_x(first.test.inputs), grey, atol=1e-6)


def test_training_digits_too_may_be_binarised_once() -> None:
    first, again = (prepare(IMAGES, training.configure("mnist-vae-fixed", seed=seed)) for seed in (0, 9))
    assert set(np.unique(first.train.x)) == {0.0, 1.0}
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert first.train.x.mean() == pytest.approx(first.train.inputs.mean() / 255, abs=0.02)
    np.testing.assert_array_equal(first.test.x, prepare(IMAGES, training.load_recipe("mnist-vae-binary")).test.x)


@pytest.mark.parametrize(
    ("recipe", "dataset", "settings", "message"),
    [
        ("mnist-cvae", IMAGES, {}, r"mnist-cvae is conditional and needs labels, which i has not; set data\.label"),
        ("sine-deep-ae", TABLE, {"latent.dim": "3"}, r"latent\.dim is 3, but an item has 2 values"),
        (
            "mnist-vae-binary",
            IMAGES,
            {"likelihood.kind": "gaussian"},
            r"data\.binarise needs .* likelihood\.kind=bern",
        ),
        (
            "mnist-vae-mlp",
            TABLE,
            {"objective.samples": "5"},
            r"objective\.samples needs a likelihood\.sigma that is set",
        ),
        ("scurve-vae", TABLE, {}, r"likelihood\.kind=bernoulli needs values in \[0, 1\]"),
    ],
)
def test_objectives_that_do_not_fit_the_data(
    recipe: str, dataset: Dataset, settings: dict[str, str], message: str
) -> None:
    with pytest.raises((BadSetting, DataError), match=message):
        prepare(dataset, training.configure(recipe, settings=settings))
