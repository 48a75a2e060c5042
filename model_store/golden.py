"""Recorded inputs and outputs of a version: write, read, replay, compare.

The inputs are what a user would send (PNG bytes, or arrays in the user's units), so that replaying them proves
preprocessing too; `x` is what they became in the trainer, the rest what the trainer's own model answered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.archives import SPARE_BYTES, items_in, read_archive, write_archive
from model_store.arrays import Float32
from model_store.errors import GoldenInvalid, GoldenMismatch, InputError, ToleranceTooWide
from model_store.manifest import ImageInput, InputSpec, ManifestBody, Tolerance
from model_store.preprocess import array_to_input, image_to_input, one_hot_rows

Array = NDArray[Any]
Half = Callable[[Mapping[str, Float32]], Mapping[str, Array]]
"""Runs an encoder or a decoder: arrays (n, …) by the names of the store's contract, in and out."""

MIN_ITEMS = 8
_ROOM_ITEMS = 1024
"""Items that golden.npz may hold at any rate: the limit of its bytes is made for these."""

MAX_RTOL = 1e-2
MAX_ATOL = 1e-3
"""Of a manifest's tolerance; `atol` times the scale of codes and outputs, at least 1. The trainer here writes a
hundredth of both. Beyond them, goldens no longer tell a broken network from a sound one."""


@dataclass(frozen=True)
class Golden:
    """At least eight validation items with the trainer's own codes and outputs; n items, d the code's length."""

    inputs: Sequence[bytes] | Array
    """PNG bytes for images; else (n, …) in the user's own units."""
    labels: NDArray[np.int64] | None
    """Class indices (n,), where the model is conditional."""
    x: Float32
    """The preprocessed inputs (n, …)."""
    z_mean: Float32
    """(n, d); the code itself where it is deterministic."""
    z_log_var: Float32 | None
    """(n, d), Gaussian codes only."""
    outputs: Float32
    """The decoder's answer to z_mean (n, …), in the network's units."""

    def __len__(self) -> int:
        return len(self.x)

    def replay_inputs(self, spec: InputSpec) -> Float32:
        """Preprocess the inputs again: float32 (n, …), to be compared with `x`. Raises GoldenInvalid."""
        try:
            if isinstance(self.inputs, np.ndarray):
                return array_to_input(self.inputs, spec)
            if not isinstance(spec, ImageInput):
                raise GoldenInvalid("golden.npz holds pictures, but the model takes none")
            return np.stack([image_to_input(data, spec) for data in self.inputs])
        except InputError as error:
            raise GoldenInvalid(f"golden.npz: an input cannot be read again: {error}") from error


def write_golden(path: Path, golden: Golden) -> None:
    """Write golden.npz. PNG bytes become one uint8 array an item: `png_0000`, `png_0001` …"""
    arrays: dict[str, Array] = {}
    if isinstance(golden.inputs, np.ndarray):
        arrays["inputs"] = golden.inputs
    else:
        arrays |= {f"png_{i:04d}": np.frombuffer(png, np.uint8) for i, png in enumerate(golden.inputs)}
    if golden.labels is not None:
        arrays["labels"] = golden.labels
    arrays["x"] = golden.x
    if golden.z_log_var is None:
        arrays["z"] = golden.z_mean
    else:
        arrays |= {"z_mean": golden.z_mean, "z_log_var": golden.z_log_var}
    write_archive(path, arrays | {"outputs": golden.outputs})


def read_golden(path: Path, body: ManifestBody) -> Golden:
    """Read golden.npz; check it against the manifest's shapes, and the manifest's tolerance against it.

    Raises GoldenInvalid, or ToleranceTooWide.
    """
    item, code_bytes = math.prod(body.input.shape), 8 * body.latent.dim
    try:
        arrays = read_archive(path, SPARE_BYTES + _ROOM_ITEMS * (3 * 8 * item + 2 * code_bytes))
    except ValueError as error:
        raise GoldenInvalid(f"golden.npz: {error}") from error
    gaussian = body.latent.distribution == "gaussian"
    wanted = {"x", "outputs", *(("z_mean", "z_log_var") if gaussian else ("z",))}
    wanted |= {"labels"} if body.input.conditional else set()
    if missing := sorted(wanted - arrays.keys()):
        raise GoldenInvalid(f"golden.npz lacks {', '.join(missing)}")
    n = items_in(arrays, "x")
    if n < MIN_ITEMS:
        raise GoldenInvalid(f"golden.npz holds {n} items; at least {MIN_ITEMS} are needed")
    code = (n, body.latent.dim)
    shapes = {"x": (n, *body.input.shape), "outputs": (n, *body.input.shape), "labels": (n,)}
    shapes |= {"z": code, "z_mean": code, "z_log_var": code}
    for name in sorted(wanted):
        if arrays[name].shape != shapes[name]:
            raise GoldenInvalid(f"golden.npz: {name} has shape {arrays[name].shape}, not {shapes[name]}")
        with np.errstate(over="ignore"):
            finite = bool(np.isfinite(arrays[name].astype(np.float32)).all())
        if not finite:
            raise GoldenInvalid(f"golden.npz: {name} holds a value that is no finite number")
    if body.input.conditional:
        classes = len(body.input.class_names or ())
        if not ((arrays["labels"] >= 0) & (arrays["labels"] < classes)).all():
            raise GoldenInvalid(f"golden.npz: labels must be class indices below {classes}")
    inputs: Sequence[bytes] | Array
    if body.input.kind == "image":
        names = [f"png_{i:04d}" for i in range(n)]
        if missing := [name for name in names if name not in arrays]:
            raise GoldenInvalid(f"golden.npz lacks {missing[0]}")
        inputs = [arrays[name].tobytes() for name in names]
    else:
        if "inputs" not in arrays or arrays["inputs"].shape != shapes["x"]:
            raise GoldenInvalid(f"golden.npz lacks inputs of shape {shapes['x']}")
        inputs = arrays["inputs"]
    golden = Golden(
        inputs=inputs,
        labels=arrays["labels"].astype(np.int64) if body.input.conditional else None,
        x=arrays["x"].astype(np.float32),
        z_mean=arrays["z_mean" if gaussian else "z"].astype(np.float32),
        z_log_var=arrays["z_log_var"].astype(np.float32) if gaussian else None,
        outputs=arrays["outputs"].astype(np.float32),
    )
    check_tolerance(golden, body.tolerance)
    return golden


def check_tolerance(golden: Golden, tolerance: Tolerance) -> None:
    """Check that goldens with this tolerance still prove something. Raises ToleranceTooWide."""
    with np.errstate(over="ignore"):
        scale = max(
            1.0, float(np.std(golden.z_mean, dtype=np.float64)), float(np.std(golden.outputs, dtype=np.float64))
        )
    for name, got, allowed in (("rtol", tolerance.rtol, MAX_RTOL), ("atol", tolerance.atol, MAX_ATOL * scale)):
        if not got <= allowed:
            raise ToleranceTooWide(
                f"tolerance.{name} is {got:g}; at most {allowed:g} is allowed, or the goldens would prove nothing"
            )


def replay(
    golden: Golden,
    body: ManifestBody,
    encode: Half,
    decode: Half,
    tolerance_of: Callable[[Float32], Tolerance] | None = None,
) -> None:
    """Preprocess, encode and decode the recorded inputs again, and hold each result to what was recorded.

    `tolerance_of` a recorded array says how closely the halves must come to it; without it the manifest does.
    Preprocessing is always held to the manifest's tolerance: no engine takes part in it.
    Raises GoldenInvalid, or GoldenMismatch that names what differs.
    """
    condition = one_hot_rows(golden.labels, body.input)
    x = golden.replay_inputs(body.input)
    compare("preprocessing", x, golden.x, body.tolerance)

    def reproduced(name: str, got: Array, recorded: Float32) -> None:
        compare(name, got, recorded, body.tolerance if tolerance_of is None else tolerance_of(recorded))

    codes = encode({"x": x} | condition)
    reproduced("z_mean", codes["z" if golden.z_log_var is None else "z_mean"], golden.z_mean)
    if golden.z_log_var is not None:
        reproduced("z_log_var", codes["z_log_var"], golden.z_log_var)
    # From the recorded codes, so that an error of the encoder does not show as one of the decoder.
    reproduced("outputs", decode({"z": golden.z_mean} | condition)["outputs"], golden.outputs)


def compare(name: str, got: Array, recorded: Array, tolerance: Tolerance) -> float:
    """Compare an answer with the recorded one: |got - recorded| <= atol + rtol · |recorded|.

    Returns the largest absolute difference. Raises GoldenMismatch that names the array and the difference.
    """
    if got.shape != recorded.shape:
        raise GoldenMismatch(f"{name} has shape {got.shape}; recorded was {recorded.shape}")
    difference = np.abs(got.astype(np.float64) - recorded.astype(np.float64))
    worst = float(difference.max(initial=0.0))
    allowed = tolerance.atol + tolerance.rtol * np.abs(recorded.astype(np.float64))
    if not (difference <= allowed).all():
        raise GoldenMismatch(
            f"{name} differs from the recorded answer by up to {worst:.2g}"
            f" (allowed: {tolerance.atol:g} + {tolerance.rtol:g} × |recorded|)"
        )
    return worst
