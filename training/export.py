"""Export of a trained model into a version: SavedModels, goldens, prior, held-out items, the manifest's body."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float32
from model_store.artefacts import scan_half
from model_store.errors import StoreError, StoreNotWritable
from model_store.golden import Golden, Half, read_golden, replay, write_golden
from model_store.heldout import MAX_ITEMS, Heldout, write_heldout
from model_store.manifest import ImageInput, LatentSpec, ManifestBody, Tolerance
from model_store.preprocess import encode_png
from model_store.prior import Mixture, write_prior
from model_store.scoring import anomaly_spec, mse_per_item
from model_store.verify import DECODER, ENCODER, GOLDEN, HELDOUT, PRIOR
from training.autoencoder import Autoencoder
from training.config import TrainConfig
from training.data.splits import Indices
from training.errors import TrainingError
from training.evaluate import Codes, Evaluation, pca
from training.inputs import Prepared
from training.progress import Reporter
from training.tensorflow_import import import_tensorflow

Array = NDArray[Any]
Tensor = Any
Check = Callable[[Path, ManifestBody], None]
"""A check that tries one engine on a staged version; it raises StoreError if the engine cannot serve it."""

REFERENCE_ENGINE = "tensorflow"
GOLDEN_ITEMS = 16
_COMPONENTS = (1, 4, 10, 20)
_MIXTURE_ITEMS = 20_000
_ITEMS_A_COMPONENT = 5
"""Least codes a component and dimension: with fewer a full covariance is a guess."""
_LIBRARIES = ("keras", "numpy", "pillow", "scikit-learn")


@dataclass(frozen=True)
class FittedPrior:
    """A mixture over the training codes."""

    mixture: Mixture
    validation_log_likelihood: float
    """Mean, nats per code."""


def write_version(
    directory: Path,
    model: Autoencoder,
    data: Prepared,
    evaluation: Evaluation,
    config: TrainConfig,
    prior: Mixture,
) -> ManifestBody:
    """Write everything but the report into a staging directory; return the body, which lists no engine yet."""
    export_saved_models(directory, model)
    write_golden(directory / GOLDEN, _golden(model, data))
    write_prior(directory / PRIOR, prior)
    kept = _spread(len(data.test), MAX_ITEMS)
    test_x, test_codes, test_outputs = _as_served(model, data, evaluation, config)
    write_heldout(
        directory / HELDOUT,
        Heldout(
            inputs=data.test.inputs[kept],
            labels=None if data.test.labels is None else data.test.labels[kept],
            codes=test_codes[kept],
            coordinates=coordinates(evaluation.train.z_mean, test_codes)[kept],
        ),
    )
    return ManifestBody(
        family=f"{config.model.family}-{'vae' if model.gaussian else 'ae'}",
        intended_use=config.intended_use,
        input=data.spec,
        latent=LatentSpec(dim=model.latent_dim, distribution=config.latent.distribution),
        likelihood=evaluation.likelihood,
        metrics=evaluation.metrics,
        anomaly=anomaly_spec(mse_per_item(test_x, test_outputs)),
        recipe=_recipe_record(config),
        seed=config.training.seed,
        libraries=_libraries(),
        dataset=data.record,
        engines=(),
        tolerance=_tolerance(evaluation),
    )


def export_saved_models(directory: Path, model: Autoencoder) -> None:
    """Write encoder/ and decoder/: one signature each, tensors named as the store's contract says."""
    tf = import_tensorflow()

    def encode(x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        z_mean, z_log_var = model.encode(x, labels)
        return {"z": z_mean} if z_log_var is None else {"z_mean": z_mean, "z_log_var": z_log_var}

    def decode(z: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        return {"outputs": model.decode(z, labels)}

    x = tf.TensorSpec((None, *model.shape), tf.float32, name="x")
    z = tf.TensorSpec((None, model.latent_dim), tf.float32, name="z")
    condition = [tf.TensorSpec((None, model.classes), tf.float32, name="labels")] if model.classes else []
    halves = (ENCODER, model.networks.encoder, encode, x), (DECODER, model.networks.decoder, decode, z)
    for name, network, function, signature in halves:
        module = tf.Module()
        module.network = network  # the SavedModel keeps the variables of what hangs on its root
        module.function = tf.function(function, input_signature=[signature, *condition])
        concrete = module.function.get_concrete_function()
        try:
            tf.saved_model.save(module, str(directory / name), signatures=concrete)
        except tf.errors.OpError as error:  # TensorFlow's own words for what its file system says
            told = " ".join(str(error.message).split())[:200]
            raise StoreNotWritable(f"{directory / name} cannot be written ({told})") from error


def check_reference(directory: Path, body: ManifestBody) -> None:
    """Replay the goldens through the SavedModels, preprocessing included. Raises GoldenMismatch."""
    golden = read_golden(directory / GOLDEN, body)
    replay(golden, body, _saved_half(directory / ENCODER), _saved_half(directory / DECODER))


def _saved_half(directory: Path) -> Half:
    """A SavedModel as its one signature, from arrays to arrays."""
    tf = import_tensorflow()
    with scan_half(directory).opened_for_tensorflow() as scanned:
        loaded = tf.saved_model.load(str(scanned))

    def run(inputs: Mapping[str, Float32]) -> dict[str, Array]:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        # `loaded` is named here to stay alive: the signature alone does not hold its variables
        answers = loaded.signatures["serving_default"](**tensors)
        return {name: tensor.numpy() for name, tensor in answers.items()}

    return run


def prove_engines(directory: Path, body: ManifestBody, checks: Mapping[str, Check], report: Reporter) -> ManifestBody:
    """Check every engine, and list in the body those that passed; the reference must pass, others only cause warnings.

    Raises TrainingError where the SavedModels differ from the model that was trained.
    """
    try:
        check_reference(directory, body)
    except StoreError as error:
        raise TrainingError(f"the exported model does not answer as the trained one: {error}") from error
    passed = [REFERENCE_ENGINE]
    for name, check in checks.items():
        try:
            check(directory, body)
        except StoreError as error:
            report.warn(f"the {name} engine cannot serve this version: {error}")
        else:
            passed.append(name)
    return body.model_copy(update={"engines": tuple(sorted(passed))})


def fit_prior(train: Codes, validation: Codes, seed: int) -> FittedPrior:
    """Fit a full-covariance Gaussian mixture to one posterior sample an item; held-out likelihood chooses its size."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    codes = train.z[_spread(len(train.z), _MIXTURE_ITEMS)].astype(np.float64)
    # A dimension that the encoder does not use must not make a covariance singular.
    regularisation = max(1e-6, 1e-4 * float(codes.var(axis=0).mean()))
    best: FittedPrior | None = None
    for components in _COMPONENTS:
        if components > 1 and len(codes) < components * codes.shape[1] * _ITEMS_A_COMPONENT:
            break
        fitted = GaussianMixture(components, reg_covar=regularisation, random_state=seed, max_iter=50, tol=1e-2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # held-out likelihood judges it as it is
            fitted.fit(codes)
        score = float(fitted.score(validation.z.astype(np.float64)))
        if best is None or score > best.validation_log_likelihood:
            best = FittedPrior(Mixture(fitted.weights_, fitted.means_, fitted.covariances_), score)
    if best is None:
        raise TrainingError("the codes are too few to fit a prior to")
    return best


def coordinates(train_codes: Float32, codes: Float32) -> Float32:
    """Map codes (n, d) to two dimensions: as they are, as (z, 0), or on the training codes' first two components."""
    dimensions = codes.shape[1]
    if dimensions == 2:
        return codes
    if dimensions == 1:
        return np.concatenate([codes, np.zeros_like(codes)], axis=1)
    return pca(train_codes, codes, 2)[1].astype(np.float32)


def _spread(n: int, most: int) -> Indices:
    """Indices of at most `most` of n items, spread evenly because a source may be sorted."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)


def _golden(model: Autoencoder, data: Prepared) -> Golden:
    items = _spread(len(data.validation), GOLDEN_ITEMS)
    own = data.validation.inputs[items]
    labels = data.validation.labels[items] if model.classes and data.validation.labels is not None else None
    x = data.served_x(own)
    z_mean, z_log_var = model.encode_array(x, labels)
    return Golden(
        inputs=[encode_png(image) for image in np.asarray(own, np.uint8)] if isinstance(data.spec, ImageInput) else own,
        labels=labels,
        x=x,
        z_mean=z_mean,
        z_log_var=z_log_var,
        outputs=model.decode_array(z_mean, labels),
    )


def _as_served(
    model: Autoencoder, data: Prepared, evaluation: Evaluation, config: TrainConfig
) -> tuple[Float32, Float32, Float32]:
    """x, z_mean and outputs of the test split as served: of grey items, even if the metrics are of binarised ones."""
    if config.data.binarise == "no":
        return data.test.x, evaluation.test.z_mean, evaluation.test_outputs
    x = data.served_x(data.test.inputs)
    z_mean, _ = model.encode_array(x, data.test.labels)
    return x, z_mean, model.decode_array(z_mean, data.test.labels)


def _tolerance(evaluation: Evaluation) -> Tolerance:
    """Choose the goldens' tolerance by the codes' size: float32 sums are only as exact as their largest terms."""
    scale = max(1.0, float(evaluation.test.z_mean.std()), float(evaluation.test_outputs.std()))
    return Tolerance(atol=1e-5 * scale)


def _recipe_record(config: TrainConfig) -> dict[str, Any]:
    """The settings as they ran, without the paths of this machine."""
    record = config.model_dump(mode="json", exclude={"intended_use": True, "published": True, "data": {"dir"}})
    record["data"]["source"] = Path(config.data.source).name
    return record


def _libraries() -> dict[str, str]:
    found = {name: version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), "tensorflow": import_tensorflow().__version__, **found}
