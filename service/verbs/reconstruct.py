"""reconstruct: items -> codes -> items, and how far apart the two ends are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store import scoring
from model_store.arrays import Float32, UInt8
from model_store.manifest import VectorInput
from service.errors import InvalidValue, LabelError
from service.served_model import Posterior
from service.verbs.call import Call, Result, Sheet
from service.verbs.options import ReconstructOptions

SHEET_COLUMNS = 16


async def reconstruct(call: Call, options: ReconstructOptions) -> Result:
    """Decode z_mean; metrics and the anomaly score are of each item against its own reconstruction.

    Errors are in the network's units: the value range of images, standard deviations of a table's columns.
    """
    model = call.model
    if options.threshold is not None and options.quantile is not None:
        raise InvalidValue.at(["quantile"], "threshold and quantile exclude each other", expected="one", got="both")
    x = await call.inputs(options, call.payload.arrays.get("inputs", call.payload.arrays.get("npy")))
    call.limit_output(2 * len(x), options)
    labels = call.one_hot(options.labels, len(x))
    if options.target_labels is not None and labels is None:
        raise LabelError.at(["target_labels"], "this model takes no labels", expected="no labels", got="some")
    target = labels if options.target_labels is None else call.one_hot(options.target_labels, len(x), "target_labels")
    posterior = await model.encode(x, labels, call.clock)
    decoded = await model.decode(posterior.z_mean, target, call.clock)
    outputs = call.to_user(decoded)
    reconstruction = decoded if isinstance(call.spec, VectorInput) else outputs

    def distances() -> dict[str, Any]:
        score = scoring.mse_per_item(x, reconstruction)
        fields = {
            "metrics": {"mse": score, **_bound(call, x, reconstruction, posterior)},
            "anomaly": _anomaly(call, score, options),
        }
        if options.error_map:
            fields["error_map"] = scoring.squared_error(x, reconstruction).astype(np.float32)
        return fields

    originals = call.images(x)
    return Result(
        model.reference,
        {"outputs": outputs, "z": posterior.z_mean},
        "outputs",
        len(x),
        images=call.images(outputs),
        sheet=None if originals is None else lambda images: _over_each_other(originals(), images),
        more=distances,
    )


def _bound(call: Call, x: Float32, outputs: Float32, posterior: Posterior) -> dict[str, NDArray[np.float64] | None]:
    """nll, kl and elbo = -(nll + kl) at z_mean, nats per item; no kl, no elbo for deterministic codes."""
    nll = scoring.nll_per_item(x, outputs, call.model.manifest.likelihood)
    if posterior.z_log_var is None:
        return {"nll": nll, "kl": None, "elbo": None}
    kl = scoring.kl_per_item(posterior.z_mean, posterior.z_log_var)
    return {"nll": nll, "kl": kl, "elbo": -(nll + kl)}


def _anomaly(call: Call, score: NDArray[np.float64], options: ReconstructOptions) -> dict[str, object]:
    held_out = call.model.manifest.anomaly
    threshold = held_out.threshold
    if options.threshold is not None:
        threshold = options.threshold
    elif options.quantile is not None:
        threshold = scoring.threshold_at(options.quantile, held_out)
    return {
        "score": score,
        "percentile": scoring.percentile_of(score, held_out),
        "is_anomaly": score > threshold,
        "threshold": threshold,
    }


def _over_each_other(originals: UInt8, reconstructions: UInt8) -> Sheet:
    """Originals over their reconstructions, row under row."""
    n = len(originals)
    columns = min(n, SHEET_COLUMNS)
    rows = []
    for start in range(0, n, columns):
        for images in (originals, reconstructions):
            row = np.zeros((columns, *images.shape[1:]), np.uint8)
            piece = images[start : start + columns]
            row[: len(piece)] = piece
            rows.append(row)
    return Sheet(np.concatenate(rows), columns)
