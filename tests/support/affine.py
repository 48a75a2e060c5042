"""Tiny affine models whose answers are known by hand, exported as real SavedModels.

Every encoder and decoder is affine, so the truth is one line of numpy: `AFFINE[name].encode` and `.decode` speak the
network's units, as the SavedModels do; `.reconstruct` too. The fixtures of tests/conftest.py hand out stores with one
version of each: `affine_store` (shared: read only) and `fresh_store` (a copy to write to). L and R are the means of the
left and of the right half of a picture, r and g of its red and green channel.

| model        | input, network's units              | z_mean               | z_log_var     | outputs                  |
|--------------|-------------------------------------|----------------------|---------------|--------------------------|
| image        | 4×4×1 in [0, 1], gaussian σ 0.5     | 4L - 2, 4R - 2       | -2, -1        | left (z0 + 2) / 4,       |
|              |                                     |                      |               | right (z1 + 2) / 4       |
| rgb          | 6×4×3 in [0, 1], bernoulli          | 4r - 2, 4g - 2       | -1, 0         | red (z0 + 2) / 4, green  |
|              |                                     |                      |               | (z1 + 2) / 4, blue 0.5   |
| conditional  | 4×4×1 in [0, 1], gaussian σ 0.5,    | 8 (L - s) - 4,       | -2, -1        | left (z0 + 4) / 8 + s,   |
|              | s = 0, 1/8, 1/4 for zero, one, two  | 8 (R - s) - 4        |               | right (z1 + 4) / 8 + s   |
| vector       | 3 columns width, height, depth;     | z = x0, x1           | none          | z0, z1, (z0 + z1) / 2    |
|              | x = (row - (10, 20, 30)) / (2, 4, 5)|                      |               |                          |
| plain-vector | 2 numbers, unbounded, gaussian σ 1  | (x0 + x1) / 2        | ln ¼          | z0, z0                   |
| sequence     | 5 steps × 2 features, gaussian σ 1  | z = mean of feature  | none          | feature 0: z0 at every   |
|              |                                     | 0, feature 1 at the  |               | step t; feature 1:       |
|              |                                     | first and last step  |               | z1 + (z2 - z1) t / 4     |

Outputs of the image models leave [0, 1] for codes far out: the service clips them. KL of `image` at z_mean is
½ (z0² + z1² + e⁻² + e⁻¹ + 3 - 2). Goldens are the first 8 of the 64 held-out items, which are drawn from seed 7; the
prior is one Gaussian, N(0.5, ¼ I) in every dimension.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float64
from model_store.golden import Golden, write_golden
from model_store.heldout import Heldout, write_heldout
from model_store.manifest import (
    Dataset,
    ImageInput,
    ImagePreprocess,
    InputSpec,
    LatentSpec,
    Likelihood,
    Manifest,
    ManifestBody,
    SequenceInput,
    Standardisation,
    VectorInput,
)
from model_store.preprocess import array_to_input, encode_png, image_to_input
from model_store.prior import Mixture, write_prior
from model_store.publish import stage
from model_store.scoring import anomaly_spec, mse_per_item

Array = NDArray[Any]

HELDOUT_ITEMS = 64
GOLDEN_ITEMS = 8
SEED = 7


@dataclass(frozen=True)
class Affine:
    """One model of F = prod(shape) numbers: z_mean = x @ encode_weight + encode_bias - one_hot @ encode_shift, and
    outputs = z @ decode_weight + decode_bias + one_hot @ decode_shift."""

    name: str
    input: InputSpec
    likelihood: Likelihood
    encode_weight: Float64
    """(F, d)"""
    encode_bias: Float64
    """(d,)"""
    decode_weight: Float64
    """(d, F)"""
    decode_bias: Float64
    """(F,)"""
    z_log_var: Float64 | None = None
    """(d,), the same for every item; None where the code is deterministic."""
    encode_shift: Float64 | None = None
    """(classes, d), conditional models only."""
    decode_shift: Float64 | None = None
    """(classes, F), conditional models only."""

    @property
    def latent(self) -> LatentSpec:
        return LatentSpec(
            dim=len(self.encode_bias), distribution="deterministic" if self.z_log_var is None else "gaussian"
        )

    def encode(self, x: Array, labels: Array | None = None) -> tuple[Float64, Float64 | None]:
        """x (n, *shape), class indices (n,) -> z_mean (n, d) and z_log_var (n, d) or None."""
        z = x.reshape(len(x), -1).astype(np.float64) @ self.encode_weight + self.encode_bias
        if self.encode_shift is not None:
            z = z - self.encode_shift[labels]
        return z, None if self.z_log_var is None else np.broadcast_to(self.z_log_var, z.shape).copy()

    def decode(self, z: Array, labels: Array | None = None) -> Float64:
        """z (n, d), class indices (n,) -> outputs (n, *shape), not clipped."""
        outputs = z.astype(np.float64) @ self.decode_weight + self.decode_bias
        if self.decode_shift is not None:
            outputs = outputs + self.decode_shift[labels]
        return np.asarray(outputs.reshape(len(z), *self.input.shape), np.float64)

    def reconstruct(self, x: Array, labels: Array | None = None) -> Float64:
        """x (n, *shape) -> what the decoder makes of z_mean (n, *shape)."""
        return self.decode(self.encode(x, labels)[0], labels)

    def draw(self, n: int, seed: int) -> tuple[Array, NDArray[np.int64] | None]:
        """n items as heldout.npz holds them (uint8 pictures, or float32 in the user's units), and their labels."""
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, len(self.input.class_names), n) if self.input.class_names else None
        if isinstance(self.input, ImageInput):
            return rng.integers(0, 256, (n, *self.input.shape), np.uint8), labels
        items = rng.normal(size=(n, *self.input.shape))
        if isinstance(self.input, VectorInput) and self.input.preprocess is not None:
            items = items * np.array(self.input.preprocess.deviation) + np.array(self.input.preprocess.mean)
        return items.astype(np.float32), labels


def _halves(shape: tuple[int, ...]) -> tuple[Float64, Float64]:
    """Indicators of the left and of the right half of a picture: each (F,)."""
    left = np.zeros(shape)
    left[:, : shape[1] // 2] = 1.0
    return left.ravel(), 1.0 - left.ravel()


def _image() -> Affine:
    halves = np.stack(_halves((4, 4, 1)))
    return Affine(
        name="image",
        input=ImageInput(shape=(4, 4, 1), preprocess=ImagePreprocess(size=(4, 4))),
        likelihood=Likelihood(kind="gaussian", sigma=0.5),
        encode_weight=4.0 * halves.T / 8.0,
        encode_bias=np.array([-2.0, -2.0]),
        decode_weight=halves / 4.0,
        decode_bias=np.full(16, 0.5),
        z_log_var=np.array([-2.0, -1.0]),
    )


def _rgb() -> Affine:
    channels = np.stack([np.tile(np.eye(3)[c], 24) for c in range(2)])
    return Affine(
        name="rgb",
        input=ImageInput(shape=(6, 4, 3), preprocess=ImagePreprocess(mode="RGB", size=(6, 4))),
        likelihood=Likelihood(kind="bernoulli"),
        encode_weight=4.0 * channels.T / 24.0,
        encode_bias=np.array([-2.0, -2.0]),
        decode_weight=channels / 4.0,
        decode_bias=np.full(72, 0.5),
        z_log_var=np.array([-1.0, 0.0]),
    )


def _conditional() -> Affine:
    halves = np.stack(_halves((4, 4, 1)))
    shift = np.array([0.0, 0.125, 0.25])[:, None]
    return Affine(
        name="conditional",
        input=ImageInput(
            shape=(4, 4, 1),
            preprocess=ImagePreprocess(size=(4, 4)),
            class_names=("zero", "one", "two"),
            conditional=True,
        ),
        likelihood=Likelihood(kind="gaussian", sigma=0.5),
        encode_weight=8.0 * halves.T / 8.0,
        encode_bias=np.array([-4.0, -4.0]),
        decode_weight=halves / 8.0,
        decode_bias=np.full(16, 0.5),
        z_log_var=np.array([-2.0, -1.0]),
        encode_shift=8.0 * np.tile(shift, 2),
        decode_shift=np.tile(shift, 16),
    )


def _vector() -> Affine:
    scale = Standardisation(columns=("width", "height", "depth"), mean=(10.0, 20.0, 30.0), deviation=(2.0, 4.0, 5.0))
    return Affine(
        name="vector",
        input=VectorInput(shape=(3,), preprocess=scale),
        likelihood=Likelihood(kind="gaussian", sigma=1.0),
        encode_weight=np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        encode_bias=np.zeros(2),
        decode_weight=np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]),
        decode_bias=np.zeros(3),
    )


def _plain_vector() -> Affine:
    return Affine(
        name="plain-vector",
        input=VectorInput(shape=(2,)),
        likelihood=Likelihood(kind="gaussian", sigma=1.0),
        encode_weight=np.full((2, 1), 0.5),
        encode_bias=np.zeros(1),
        decode_weight=np.ones((1, 2)),
        decode_bias=np.zeros(2),
        z_log_var=np.log([0.25]),
    )


def _sequence() -> Affine:
    encode = np.zeros((5, 2, 3))
    encode[:, 0, 0] = 0.2
    encode[0, 1, 1] = encode[4, 1, 2] = 1.0
    decode = np.zeros((3, 5, 2))
    decode[0, :, 0] = 1.0
    decode[1, :, 1] = 1.0 - np.arange(5) / 4.0
    decode[2, :, 1] = np.arange(5) / 4.0
    return Affine(
        name="sequence",
        input=SequenceInput(shape=(5, 2)),
        likelihood=Likelihood(kind="gaussian", sigma=1.0),
        encode_weight=encode.reshape(10, 3),
        encode_bias=np.zeros(3),
        decode_weight=decode.reshape(3, 10),
        decode_bias=np.zeros(10),
    )


AFFINE = {model.name: model for model in (_image(), _rgb(), _conditional(), _vector(), _plain_vector(), _sequence())}


def publish_affine(store: Path, name: str, model: Affine) -> Manifest:
    """Export `model` with TensorFlow, publish it as the next version of `name`; return its manifest."""
    inputs, labels = model.draw(HELDOUT_ITEMS, SEED)
    x = array_to_input(inputs, model.input)
    z_mean, _ = model.encode(x, labels)
    with stage(store, name) as staging:
        _export(model, staging.path)
        write_golden(staging.path / "golden.npz", _golden(model, inputs[:GOLDEN_ITEMS], labels))
        write_prior(staging.path / "prior.npz", prior_of(model))
        coordinates = np.column_stack([z_mean, np.zeros(HELDOUT_ITEMS)])[:, :2]
        write_heldout(
            staging.path / "heldout.npz",
            Heldout(inputs, labels, z_mean.astype(np.float32), coordinates.astype(np.float32)),
        )
        report = staging.path / "report"
        report.mkdir()
        (report / "history.csv").write_text("epoch,loss\n1,0.5\n2,0.25\n", encoding="utf-8")
        (report / "metrics.json").write_text('{"mse": 0.25}\n', encoding="utf-8")
        (report / "samples.png").write_bytes(encode_png(np.full((4, 4, 1), 128, np.uint8)))
        return staging.publish(body_of(model, mse_per_item(x, model.reconstruct(x, labels))))


def body_of(model: Affine, heldout_mse: Array) -> ManifestBody:
    """The manifest of a model whose held-out items have these errors (m,)."""
    return ManifestBody(
        family="affine-ae" if model.z_log_var is None else "affine-vae",
        intended_use="Tests: its answers are known by hand.",
        input=model.input,
        latent=model.latent,
        likelihood=model.likelihood,
        metrics={"mse": float(heldout_mse.mean()), "pca_mse": 0.5},
        anomaly=anomaly_spec(heldout_mse),
        recipe={"recipe": model.name},
        seed=SEED,
        libraries={"numpy": np.__version__},
        dataset=Dataset(
            name="uniform noise", licence="CC0-1.0", sha256="0" * 64, train_items=0, validation_items=0, test_items=64
        ),
        engines=("tensorflow", "openvino"),
    )


def prior_of(model: Affine) -> Mixture:
    """N(0.5, ¼ I) over the model's codes, as a mixture of one."""
    d = model.latent.dim
    return Mixture(np.ones(1), np.full((1, d), 0.5), 0.25 * np.eye(d)[None])


def _golden(model: Affine, inputs: Array, labels: NDArray[np.int64] | None) -> Golden:
    sent: list[bytes] | Array
    if isinstance(model.input, ImageInput):
        sent = [encode_png(image) for image in inputs]
        x = np.stack([image_to_input(png, model.input) for png in sent])
    else:
        sent = inputs
        x = array_to_input(inputs, model.input)
    labels = labels[: len(inputs)] if model.input.conditional and labels is not None else None
    z_mean, z_log_var = model.encode(x, labels)
    return Golden(
        inputs=sent,
        labels=labels,
        x=x,
        z_mean=z_mean.astype(np.float32),
        z_log_var=None if z_log_var is None else z_log_var.astype(np.float32),
        outputs=model.decode(z_mean, labels).astype(np.float32),
    )


def _export(model: Affine, directory: Path) -> None:
    """Write encoder/ and decoder/ with the contract's tensor names, the batch dimension free."""
    import tensorflow as tf

    d, shape = model.latent.dim, model.input.shape
    features = int(np.prod(shape))

    def constant(values: Float64) -> Any:  # noqa: ANN401 - tensorflow publishes no types
        return tf.constant(values, tf.float32)

    def encode(x: Any, labels: Any = None) -> dict[str, Any]:  # noqa: ANN401 - tensorflow publishes no types
        z = tf.reshape(x, [-1, features]) @ constant(model.encode_weight) + constant(model.encode_bias)
        if model.encode_shift is not None:
            z = z - labels @ constant(model.encode_shift)
        if model.z_log_var is None:
            return {"z": tf.identity(z, name="z")}
        return {"z_mean": z, "z_log_var": tf.zeros_like(z) + constant(model.z_log_var)}

    def decode(z: Any, labels: Any = None) -> dict[str, Any]:  # noqa: ANN401 - tensorflow publishes no types
        outputs = z @ constant(model.decode_weight) + constant(model.decode_bias)
        if model.decode_shift is not None:
            outputs = outputs + labels @ constant(model.decode_shift)
        return {"outputs": tf.reshape(outputs, [-1, *shape])}

    labels = (
        [tf.TensorSpec((None, len(model.input.class_names)), tf.float32, name="labels")]
        if model.input.conditional and model.input.class_names
        else []
    )
    for half, function, spec in (
        ("encoder", encode, tf.TensorSpec((None, *shape), tf.float32, name="x")),
        ("decoder", decode, tf.TensorSpec((None, d), tf.float32, name="z")),
    ):
        module = tf.Module()
        signature = tf.function(function, input_signature=[spec, *labels], autograph=False)
        module.serve = signature
        tf.saved_model.save(
            module, str(directory / half), signatures={"serving_default": signature.get_concrete_function()}
        )


if __name__ == "__main__":
    for affine in AFFINE.values():
        publish_affine(Path(sys.argv[1]), affine.name, affine)
