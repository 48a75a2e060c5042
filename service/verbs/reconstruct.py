"""The verb reconstruct: items -> codes -> items, with reconstruction errors and anomaly scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_store import scoring
from model_store.arrays import UInt8
from model_store.manifest import VectorInput
from service.errors import InvalidValue, LabelError
from service.verbs.call import Call, Result
from service.verbs.options import ReconstructOptions
from service.wire.pictures import Sheet

SHEET_COLUMNS = 16


async def reconstruct(call: Call, options: ReconstructOptions) -> Result:
    """Encode and decode every item; compare it with its reconstruction by metrics and an anomaly score.

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
    outputs = await call.to_user(decoded)
    reconstruction = decoded if isinstance(call.spec, VectorInput) else outputs

    def distances() -> dict[str, Any]:
        threshold = scoring.anomaly_threshold(model.manifest.anomaly, options.threshold, options.quantile)
        scores = scoring.score_reconstructions(
            x, reconstruction, posterior.z_mean, posterior.z_log_var, model.manifest, threshold
        )
        fields: dict[str, Any] = {
            "metrics": {"mse": scores.mse, "nll": scores.nll, "kl": scores.kl, "elbo": scores.elbo},
            "anomaly": {
                "score": scores.mse,
                "percentile": scores.percentile,
                "is_anomaly": scores.is_anomaly,
                "threshold": threshold,
            },
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


def _over_each_other(originals: UInt8, reconstructions: UInt8) -> Sheet:
    """Lay out a sheet with each row of originals above the row of their reconstructions."""
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
