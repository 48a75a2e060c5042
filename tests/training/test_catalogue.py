"""Recipes, and settings laid over them."""

from __future__ import annotations

from pathlib import Path

import pytest

import training
from training.builders import BUILDERS, Dense
from training.catalogue import setting_keys
from training.errors import BadSetting, UnknownRecipe

LATENT_DIMS = {
    "fashion-ae": 32,
    "fashion-conv-ae": 256,
    "fashion-conv-vae": 2,
    "fashion-deep-ae": 32,
    "fashion-denoising-ae": 512,
    "fashion-lstm-ae": 32,
    "fashion-sparse-ae": 32,
    "fashion-vae": 2,
    "fashion-vae-best": 32,
    "mnist-ae": 32,
    "mnist-ae-2d": 2,
    "mnist-conv-ae": 49,
    "mnist-cvae": 8,
    "mnist-deep-ae-16": 16,
    "mnist-iwae": 50,
    "mnist-sparse-ae-16": 16,
    "mnist-vae": 16,
    "mnist-vae-binary": 50,
    "mnist-vae-bn": 2,
    "mnist-vae-fixed": 40,
    "mnist-vae-mlp": 2,
    "mnist-vae-mse": 2,
    "scurve-vae": 1,
    "scurve-vae-10d": 10,
    "scurve-vae-2d": 2,
    "scurve-vae-kl-off": 1,
    "scurve-vae-sigma": 1,
    "sine-deep-ae": 1,
    "sine-linear-ae": 1,
    "sine-overfit-ae": 1,
}


def test_the_recipes_that_ship() -> None:
    configs = {name: training.load_recipe(name) for name in training.recipe_names()}
    assert {name: config.latent.dim for name, config in configs.items()} == LATENT_DIMS
    assert [name for name, config in configs.items() if config.published is None] == ["mnist-vae"]
    mlp = configs["mnist-vae-mlp"]
    assert mlp.model == Dense(hidden=(256,), activation="relu", dropout=0.2)
    assert (mlp.training.epochs, mlp.training.batch_size, mlp.objective.beta) == (50, 100, 1.0)


def test_an_unknown_recipe_is_answered_with_near_names() -> None:
    with pytest.raises(UnknownRecipe, match=r"unknown recipe 'mnist-vea'; did you mean mnist-vae\b"):
        training.load_recipe("mnist-vea")
    with pytest.raises(UnknownRecipe, match=r"there are fashion-ae, .*, sine-overfit-ae"):
        training.load_recipe("zzz")


def test_settings_are_toml_values_and_bare_words() -> None:
    config = training.configure(
        "mnist-vae-mlp",
        settings={
            "model.hidden": "[64, 32]",
            "model.activation": "tanh",
            "data.label": "3",
            "objective.beta": "0.5",
            "input.standardise": "false",
        },
    )
    assert config.model == Dense(hidden=(64, 32), activation="tanh", dropout=0.2)
    assert (config.data.label, config.objective.beta, config.input.standardise) == ("3", 0.5, False)


@pytest.mark.parametrize(("text", "size"), [("28", (28, 28)), ("32x48", (32, 48)), ("[32, 48]", (32, 48))])
def test_a_size_is_one_number_or_two(text: str, size: tuple[int, int]) -> None:
    assert training.configure("mnist-vae", settings={"input.size": text}).input.size == size


def test_named_arguments_win() -> None:
    config = training.configure(
        "mnist-vae", data="mnist", data_dir="somewhere", epochs=3, seed=7, settings={"training.epochs": "9"}
    )
    assert (config.data.source, config.data.dir) == ("mnist", Path("somewhere"))
    assert (config.training.epochs, config.training.seed) == (3, 7)


def test_the_data_directory_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_DATA_DIR", "from-environment")
    assert training.configure("mnist-vae").data.dir == Path("from-environment")
    assert training.configure("mnist-vae", data_dir="given").data.dir == Path("given")


def test_another_builder_starts_from_its_own_defaults() -> None:
    config = training.configure("mnist-vae", settings={"model.builder": "dense", "model.dropout": "0.1"})
    assert config.model == Dense(dropout=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training.epoch": "3"}, r"unknown setting 'training\.epoch'; did you mean training\.epochs\?"),
        ({"training.epoch": "3"}, r"there are data\.source, .*model\.filters, .*training\.seed"),
        ({"model.hidden": "[3]"}, r"unknown setting 'model\.hidden'"),  # of another builder
        ({"recipe": "x"}, "unknown setting 'recipe'"),
        ({"training": "x"}, "unknown setting 'training'"),
        ({"training.epochs": "ten"}, r"training\.epochs: .*valid integer.*, got 'ten'"),
        ({"training.epochs": "0"}, r"training\.epochs: expected greater than 0, got 0"),
        ({"latent.dim": "2.5"}, r"latent\.dim: .*integer.*, got 2\.5"),
        ({"model.activation": "cube"}, r"model\.activation: expected 'relu', .*got 'cube'"),
        ({"model.builder": "gru"}, r"model: .*'gru'.*'dense', 'convolutional', 'linear', 'lstm', 'staged'"),
        ({"input.size": "big"}, r"input\.size: expected pixels such as 28.*, got 'big'"),
        ({"objective.beta": "-1"}, r"objective\.beta: expected greater than or equal to 0, got -1"),
        ({"objective.beta": "nan"}, r"objective\.beta: .*finite.*, got nan"),
        ({"latent.distribution": "deterministic"}, "objective: a deterministic code has no kl to weigh"),
        ({"likelihood.kind": "bernoulli", "likelihood.sigma": "0.5"}, r"likelihood\.sigma: belongs to the gaussian"),
        ({"likelihood.kind": "bernoulli", "likelihood.output": "tanh"}, r"likelihood\.output: .* out of a sigmoid"),
        ({"objective.samples": "5", "likelihood.kind": "gaussian"}, r"objective\.samples: needs a likelihood\.sigma"),
        ({"objective.samples": "5", "objective.free_bits": "0.1"}, r"objective\.free_bits: counts a kl"),
        ({"objective.samples_from": "0.5"}, r"objective\.samples_from: needs an objective\.samples over 1"),
        ({"objective.form": "784*mse + kl"}, r"likelihood\.kind=gaussian, likelihood\.sigma=0\.70710678"),
        ({"objective.form": "(784*bce + kl) / (2*784)"}, r"objective\.form: .* is likelihood\.kind=bernoulli"),
        ({"latent.activation": "relu"}, r"latent\.activation and latent\.bias: belong to a deterministic code"),
        ({"published": "x"}, "unknown setting 'published'"),
    ],
)
def test_a_bad_setting_is_named_on_one_line(settings: dict[str, str], message: str) -> None:
    with pytest.raises(BadSetting, match=message) as caught:
        training.configure("mnist-vae", settings=settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("label"), ["true", "2024-01-01", "1.5", "0"])
def test_a_column_may_be_called_like_anything(label: str) -> None:
    assert training.configure("mnist-vae-mlp", settings={"data.label": label}).data.label == label


@pytest.mark.parametrize("size", ["0x48", "0", "99999x99999", "2049", "-1", "3x", "[1, 2, 3]"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(BadSetting, match=r"input\.size"):
        training.configure("mnist-vae", settings={"input.size": size})


@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_every_setting_is_in_the_docs(builder: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    assert [key for key in setting_keys(builder) if f"`{key}`" not in page] == []


def test_every_recipe_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    short = {name: name.replace("scurve-vae-", "-") for name in training.recipe_names()}
    assert [name for name in short if f"`{name}`" not in page and f"`{short[name]}`" not in page] == []


def test_a_recipe_of_all_mnist_reads_the_digits_at_hand_where_no_directory_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LATENT_DATA_DIR", raising=False)
    assert training.load_recipe("mnist-cvae").data.source == "mnist"
    assert training.configure("mnist-cvae").data.source == "mnist-5k"
    assert training.configure("mnist-cvae", data="mnist").data.source == "mnist"
    assert training.configure("mnist-cvae", data_dir="d").data.source == "mnist"
    monkeypatch.setenv("LATENT_DATA_DIR", "d")
    assert training.configure("mnist-cvae").data.source == "mnist"
