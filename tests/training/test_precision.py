"""Mixed precision: the gradient step uses bfloat16, and all else float32."""

from __future__ import annotations

from pathlib import Path

import pytest

import training
from training.autoencoder import build
from training.data import load
from training.inputs import prepare
from training.precision import computing_in, cpu_has_bfloat16
from training.tensorflow_import import import_tensorflow

RECIPES = ["fashion-conv-vae", "fashion-conv-ae", "mnist-conv-ae", "mnist-vae", "mnist-cvae", "fashion-lstm-ae"]


@pytest.mark.parametrize(
    ("cpu_info", "has"),
    [
        ("model name\t: A\nflags\t\t: fpu avx2 avx512_bf16 sse\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd\nbugs\t: avx512_bf16\n", False),
        ("", False),
    ],
)
def test_whether_a_cpu_has_it(cpu_info: str, has: bool) -> None:
    assert cpu_has_bfloat16(cpu_info) is has


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_answers_stays_float32_and_everything_does_afterwards(recipe: str) -> None:
    config = training.configure(recipe, data="mnist-5k")
    model = build(config, prepare(load(config.data, config.input), config))
    tf = import_tensorflow()
    layers = [*model.networks.encoder.layers, *model.networks.decoder.layers]
    with computing_in("bfloat16", model.networks):
        lowered = [layer.name for layer in layers if layer.compute_dtype == "bfloat16"]
        assert bool(lowered) is cpu_has_bfloat16()
        assert all(weight.dtype == "float32" for layer in layers for weight in layer.weights)
        x = tf.zeros((2, *model.shape))
        labels = None if not model.classes else tf.constant(model.one_hot(None, 2))
        z, z_log_var = model.encode(x, labels, training=True)
        logits = model.decode_logits(z, labels, training=True)
        assert {part.dtype.name for part in (z, z_log_var, logits) if part is not None} == {"float32"}
    assert {layer.compute_dtype for layer in layers} == {"float32"}


def test_a_run_in_bfloat16_learns_as_one_in_float32_does(tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        settings = {"training.precision": precision, "training.min_epoch_steps": "20", "training.batch_size": "32"}
        config = training.configure("mnist-vae", settings=settings, epochs=2)
        trained = training.train(config, store=tmp_path / precision, pictures=False)
        losses[precision] = trained.manifest.metrics["mse"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
