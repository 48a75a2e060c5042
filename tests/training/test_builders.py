"""Network builders: shapes and numbers of weights, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

import training
from training.builders import Dense, Staged
from training.sections import LatentConfig

KerasModel = Any

IMAGE = (28, 28, 1)


def weights(model: KerasModel) -> int:
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def halves(recipe: str, shape: tuple[int, ...] = IMAGE) -> tuple[int, int]:
    config = training.load_recipe(recipe)
    networks = config.model.build(shape, config.latent)
    assert networks.decoder.output_shape == (None, *shape)
    return weights(networks.encoder), weights(networks.decoder)


@pytest.mark.parametrize(
    ("recipe", "encoder", "decoder"),
    [
        # 3·3·1·32 + 3·3·32·16 + 3·3·16·16, without biases, and two numbers of batch normalisation a filter.
        ("fashion-conv-ae", 288 + 4608 + 2304 + 2 * 64, 2304 + 2304 + 4608 + 288 + 2 * 64),
        ("mnist-conv-ae", 50 * 128 + (4 * 128 + 1) * 32 + 49 * 32 + 1, 50 * 32 + (4 * 32 + 1) * 128 + 49 * 128 + 1),
        ("fashion-ae", 785 * 32, 33 * 784),
        # Both heads of a Gaussian code.
        ("fashion-vae", 785 * 256 + 2 * 257 * 2, 3 * 256 + 257 * 784),
        ("mnist-deep-ae-16", 785 * 64 + 65 * 48 + 49 * 32 + 33 * 16, 17 * 32 + 33 * 48 + 49 * 64 + 65 * 784),
        # c2-1, c2-64, c3-64 twice, dense 128 of a map of 14 x 14 x 64, two heads.
        (
            "fashion-conv-vae",
            5 + 5 * 64 + 2 * 577 * 64 + 12_545 * 128 + 2 * 129 * 2,
            3 * 128 + 129 * 12_544 + 3 * 577 * 64 + 257,
        ),
    ],
)
def test_the_tables_networks_have_their_weights(recipe: str, encoder: int, decoder: int) -> None:
    assert halves(recipe) == (encoder, decoder)


def test_batch_normalisation_stands_after_each_hidden_layer() -> None:
    assert halves("mnist-vae-bn") == (
        785 * 256 + 2 * 256 + 257 * 128 + 2 * 128 + 2 * 129 * 2,
        3 * 128 + 2 * 128 + 129 * 256 + 2 * 256 + 257 * 784,
    )


def test_an_lstm_has_four_gates() -> None:
    units = 128
    assert halves("fashion-lstm-ae", (28, 28)) == (
        4 * units * (28 + units + 1) + (units + 1) * 32,
        4 * units * (32 + units + 1) + (units + 1) * 28,
    )


def test_labels_go_into_both_halves() -> None:
    latent = LatentConfig(dim=8)
    alone, together = (Dense(hidden=(16,)).build(IMAGE, latent, classes) for classes in (0, 10))
    assert weights(together.encoder) - weights(alone.encoder) == 10 * 16
    assert weights(together.decoder) - weights(alone.decoder) == 10 * 16
    assert sorted(tensor.name for tensor in together.decoder.inputs) == ["labels", "z"]


def test_stages_that_do_not_lead_back_to_the_image() -> None:
    model = Staged(encoder=("c3-4 relu mp2",), decoder=("to-14x14x4", "c3-1"))
    with pytest.raises(ValueError, match=r"model\.decoder ends in \(14, 14, 1\), but the images are \(28, 28, 1\)"):
        model.build(IMAGE, LatentConfig(dim=2))
    mapped = Staged(encoder=("c3-4 relu mp2",), decoder=("c3-1 up2",), code="map")
    with pytest.raises(ValueError, match=r"last map has 784 values: set latent\.dim to that"):
        mapped.build(IMAGE, LatentConfig(dim=2, distribution="deterministic"))
    assert "a code that is deterministic" in str(mapped.refuses(IMAGE, LatentConfig(dim=784)))
    assert "are vectors of 13 values" in str(mapped.refuses((13,), LatentConfig(dim=2)))


@pytest.mark.parametrize("stage", ["c3", "c3-32 fast", "relu s2", "", "c0-3", "mp3", "to-7x7"])
def test_a_stage_that_is_no_layer(stage: str) -> None:
    with pytest.raises(ValidationError, match="expected"):
        Staged(encoder=(stage,), decoder=("c3-1",))


def test_a_relu_code_starts_with_its_bias() -> None:
    config = training.load_recipe("fashion-ae")
    encoder = config.model.build(IMAGE, config.latent).encoder
    assert set(encoder.get_layer("z").bias.numpy()) == {1.0}
