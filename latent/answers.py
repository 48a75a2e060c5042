"""Answers of the client -> files and tables, by the extension that a person chose."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import CommandError
from latent.output import json_bytes
from latent_client import Encoded, Interpolated, Reconstructed
from latent_client.pictures import PictureFormat
from model_store.manifest import Manifest, VectorInput

Array = NDArray[Any]

PICTURES: dict[str, PictureFormat] = {".png": "png", ".gif": "gif", ".webp": "webp"}


def kind_of(path: Path, *, pictures: bool, moving: bool) -> str:
    """The extension of an output, checked before any work is done. Raises CommandError that lists what there is."""
    shown = [suffix for suffix in PICTURES if pictures and (moving or suffix == ".png")]
    possible = [*_WRITERS, *shown]
    kind = path.suffix.lower()
    if kind not in possible:
        raise CommandError(f"{path}: the output's name must end in {', '.join(possible[:-1])} or {possible[-1]}")
    if not path.parent.is_dir():
        raise CommandError(f"{path}: there is no directory {path.parent}")
    if path.is_dir():
        raise CommandError(f"{path} is a directory")
    return kind


def document(answer: object) -> dict[str, Any]:
    """An answer as the HTTP interface has it in JSON; arrays stay arrays."""
    listed: dict[str, Any] = {}
    for field in fields(answer):  # type: ignore[arg-type]  # every answer is a dataclass
        value = getattr(answer, field.name)
        if field.name != "request_id":
            listed[field.name] = document(value) if is_dataclass(value) else _contiguous(value)
    return listed


def encoded_as(kind: str, answer: object, manifest: Callable[[], Manifest]) -> bytes:
    """An answer in the format of an extension. Raises CommandError where it does not fit."""
    return _WRITERS[kind](answer, manifest)


def main_array(answer: object) -> Array:
    """What the answer is about: `z` of an encoding, `outputs` of everything else."""
    array: Array = getattr(answer, "z" if isinstance(answer, Encoded) else "outputs")
    return array


def rows_of(answer: object, manifest: Manifest) -> tuple[list[str], Array]:
    """An answer as a table of numbers, one row an item (n, columns). Raises CommandError for what is none."""
    if isinstance(answer, Encoded):
        return [f"z_{at}" for at in range(answer.z.shape[1])], answer.z
    names, columns = _vectors(answer, manifest)
    if isinstance(answer, Reconstructed):
        metrics = {
            "mse": answer.metrics.mse,
            "nll": answer.metrics.nll,
            "kl": answer.metrics.kl,
            "elbo": answer.metrics.elbo,
            "percentile": answer.anomaly.percentile,
            "is_anomaly": answer.anomaly.is_anomaly.astype(np.int64),
        }
        given = {name: values for name, values in metrics.items() if values is not None}
        return [*names, *given], np.column_stack([*columns, *given.values()])
    if not names:
        raise CommandError(f"{manifest.name} answers {manifest.input.kind}s, which a table cannot hold: use .npy")
    if isinstance(answer, Interpolated):
        return ["t", *names], np.column_stack([answer.t, *columns])
    return names, np.column_stack(columns)


def _vectors(answer: object, manifest: Manifest) -> tuple[list[str], list[Array]]:
    """Names and columns of the outputs; none where they are pictures or sequences."""
    spec = manifest.input
    if not isinstance(spec, VectorInput):
        return [], []
    named = spec.preprocess.columns if spec.preprocess is not None else None
    return list(named or (f"x_{at}" for at in range(spec.shape[0]))), list(main_array(answer).T)


def _contiguous(value: object) -> object:
    return np.ascontiguousarray(value) if isinstance(value, np.ndarray) and value.ndim else value


def _npy(answer: object, _manifest: Callable[[], Manifest]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, main_array(answer), allow_pickle=False)
    return buffer.getvalue()


def _npz(answer: object, _manifest: Callable[[], Manifest]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **_arrays(document(answer)))
    return buffer.getvalue()


def _arrays(listed: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, value in listed.items():
        if isinstance(value, dict):
            arrays |= _arrays(value, f"{prefix}{name}.")
        elif value is not None:
            arrays[f"{prefix}{name}"] = np.asarray(value)
    return arrays


def _json(answer: object, _manifest: Callable[[], Manifest]) -> bytes:
    return json_bytes(document(answer))


def _csv(answer: object, manifest: Callable[[], Manifest]) -> bytes:
    header, rows = rows_of(answer, manifest())
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([[str(number) for number in row] for row in rows])  # numpy's shortest exact text of each number
    return text.getvalue().encode()


_WRITERS: dict[str, Callable[[object, Callable[[], Manifest]], bytes]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".json": _json,
    ".csv": _csv,
}
