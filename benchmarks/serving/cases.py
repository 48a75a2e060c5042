"""The benchmark's cases: model, verb, body format, images in a request, number of connections."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from model_store.arrays import Float32, UInt8

Verb = Literal["encode", "decode", "reconstruct"]
Format = Literal["json", "npy"]

VERBS: tuple[Verb, ...] = ("encode", "decode", "reconstruct")
FORMATS: tuple[Format, ...] = ("json", "npy")
LOADS = ((1, 1), (1, 16), (1, 64), (64, 4))
"""Pairs of images in a request and number of connections."""
MEDIA_TYPES: Mapping[Format, str] = {"json": "application/json", "npy": "application/x-npy"}


@dataclass(frozen=True)
class Case:
    """One case of the benchmark, which every server is measured with."""

    model: str
    verb: Verb
    format: Format
    images: int
    connections: int

    @property
    def name(self) -> str:
        """The name, such as `dense/encode/json/1x64`: 1 image in a request, 64 connections."""
        return f"{self.model}/{self.verb}/{self.format}/{self.images}x{self.connections}"


@dataclass(frozen=True)
class Items:
    """The inputs of requests, and TensorFlow's answers to them: 64 items of each."""

    inputs: UInt8
    """(64, h, w, 1)"""
    z_mean: Float32
    """(64, d): the codes of the inputs, which are also the inputs of decode."""
    z_log_var: Float32
    """(64, d)"""
    outputs: Float32
    """(64, h, w, 1): the decoder's outputs for z_mean."""

    @classmethod
    def read(cls, path: Path) -> Items:
        """Read the items from an npz file with these names."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in ("inputs", "z_mean", "z_log_var", "outputs")})

    def body(self, case: Case) -> bytes:
        """A request body with the first images, as a user would send it: JSON (n, h, w) in float64, npy in float32."""
        if case.verb == "decode":
            return (
                _json({"z": self.z_mean[: case.images]}) if case.format == "json" else npy(self.z_mean[: case.images])
            )
        pictures = self.inputs[: case.images, :, :, 0] / 255.0
        return _json({"inputs": pictures}) if case.format == "json" else npy(pictures.astype(np.float32))

    def expected(self, case: Case) -> dict[str, NDArray[Any]]:
        """TensorFlow's answer to `body(case)`, by the names of a JSON reply; an npy reply holds the first one."""
        arrays = {"outputs": self.outputs}
        if case.verb == "encode":
            arrays = {"z_mean": self.z_mean, "z_log_var": self.z_log_var}
        return {name: array[: case.images] for name, array in arrays.items()}


def npy(array: NDArray[Any]) -> bytes:
    """An array as np.save writes it."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array))
    return stream.getvalue()


def _json(document: Mapping[str, NDArray[Any]]) -> bytes:
    return orjson.dumps({name: array.tolist() for name, array in document.items()})
