"""Converting the client's answers to files and tables, by the file name's extension."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import writers
from latent.errors import CommandError
from latent.output import json_bytes
from latent.rows import Rows, code_rows, output_rows, require_tabular, score_rows
from latent_client import Encoded, Interpolated, Reconstructed
from latent_client.pictures import PictureFormat
from model_store.manifest import Manifest

Array = NDArray[Any]

PICTURES: dict[str, PictureFormat] = {".png": "png", ".gif": "gif", ".webp": "webp"}
TABLES = (".csv", ".parquet")
_POSSIBLE = (".npy", ".npz", ".json", *TABLES)


def kind_of(path: Path, *, pictures: bool, moving: bool) -> str:
    """Check an output's extension before any work is done. Raises CommandError that lists the valid ones."""
    shown = [suffix for suffix in PICTURES if pictures and (moving or suffix == ".png")]
    possible = [*_POSSIBLE, *shown]
    kind = path.suffix.lower()
    if kind not in possible:
        raise CommandError(f"{path}: the output's name must end in {', '.join(possible[:-1])} or {possible[-1]}")
    if not path.parent.is_dir():
        raise CommandError(f"{path}: there is no directory {path.parent}")
    if path.is_dir():
        raise CommandError(f"{path} is a directory")
    return kind


def document(answer: object) -> dict[str, Any]:
    """Convert an answer to the document that the HTTP interface sends as JSON; arrays stay arrays."""
    listed: dict[str, Any] = {}
    for field in fields(answer):  # type: ignore[arg-type]  # every answer is a dataclass
        value = getattr(answer, field.name)
        if field.name != "request_id":
            listed[field.name] = document(value) if is_dataclass(value) else _contiguous(value)
    return listed


def encoded_as(path: Path, answer: object, manifest: Callable[[], Manifest]) -> bytes:
    """Encode an answer in the format of an extension. Raises CommandError if the format cannot hold it."""
    match path.suffix.lower():
        case ".json":
            return json_bytes(document(answer))
        case ".npz":
            buffer = io.BytesIO()
            np.savez(buffer, **_arrays(document(answer)))
            return buffer.getvalue()
        case suffix:
            rows = rows_of(answer, manifest())
            if suffix in TABLES and not rows.text:
                require_tabular(manifest())
            return writers.written(path, rows)


def main_array(answer: object) -> Array:
    """Return the main array of an answer: `z` of an encoding, `outputs` of everything else."""
    array: Array = getattr(answer, "z" if isinstance(answer, Encoded) else "outputs")
    return array


def rows_of(answer: object, manifest: Manifest) -> Rows:
    """Convert an answer to rows, one an item; without columns if a table cannot hold it."""
    if isinstance(answer, Encoded):
        return code_rows(answer.z, answer.z if answer.seed is None else answer.z_mean, answer.z_log_var)
    outputs = main_array(answer)
    if isinstance(answer, Reconstructed):
        metrics, anomaly = answer.metrics, answer.anomaly
        return score_rows(
            outputs,
            manifest,
            mse=metrics.mse,
            nll=metrics.nll,
            kl=metrics.kl,
            elbo=metrics.elbo,
            percentile=anomaly.percentile,
            is_anomaly=anomaly.is_anomaly,
        )
    return output_rows(outputs, manifest, [("t", answer.t)] if isinstance(answer, Interpolated) else [])


def _contiguous(value: object) -> object:
    return np.ascontiguousarray(value) if isinstance(value, np.ndarray) and value.ndim else value


def _arrays(listed: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, value in listed.items():
        if isinstance(value, dict):
            arrays |= _arrays(value, f"{prefix}{name}.")
        elif value is not None:
            arrays[f"{prefix}{name}"] = np.asarray(value)
    return arrays
