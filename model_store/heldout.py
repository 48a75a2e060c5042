"""Held-out items of a version, their codes, and two-dimensional coordinates that show the codes as a map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.archives import SPARE_BYTES, items_in, read_archive, write_archive
from model_store.arrays import Float32
from model_store.errors import HeldoutInvalid
from model_store.manifest import ManifestBody

MAX_ITEMS = 3000


@dataclass(frozen=True)
class Heldout:
    """At most 3,000 items that the model was not trained on; m items, d the code's length."""

    inputs: NDArray[Any]
    """uint8 (m, h, w, c) for images; float32 (m, …) in the user's units otherwise."""
    labels: NDArray[np.int64] | None
    """Class indices (m,), where known."""
    codes: Float32
    """z_mean, or the code itself: (m, d)."""
    coordinates: Float32
    """Two dimensions to draw the codes in: (m, 2)."""


def write_heldout(path: Path, heldout: Heldout) -> None:
    """Write heldout.npz."""
    labels = {} if heldout.labels is None else {"labels": heldout.labels}
    write_archive(
        path,
        {"inputs": heldout.inputs, **labels, "codes": heldout.codes, "coordinates": heldout.coordinates},
    )


def read_heldout(path: Path, body: ManifestBody) -> Heldout:
    """Read heldout.npz and check it against the manifest's shapes. Raises HeldoutInvalid."""
    item_bytes = 8 * (math.prod(body.input.shape) + body.latent.dim + 3)
    try:
        arrays = read_archive(path, SPARE_BYTES + MAX_ITEMS * item_bytes)
    except ValueError as error:
        raise HeldoutInvalid(f"heldout.npz: {error}") from error
    if missing := sorted({"inputs", "codes", "coordinates"} - arrays.keys()):
        raise HeldoutInvalid(f"heldout.npz lacks {', '.join(missing)}")
    m = items_in(arrays, "inputs")
    if not 1 <= m <= MAX_ITEMS:
        raise HeldoutInvalid(f"heldout.npz holds {m} items, not 1 to {MAX_ITEMS}")
    shapes = {"inputs": (m, *body.input.shape), "codes": (m, body.latent.dim), "coordinates": (m, 2)}
    shapes |= {"labels": (m,)} if "labels" in arrays else {}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise HeldoutInvalid(f"heldout.npz: {name} has shape {arrays[name].shape}, not {shape}")
    wanted = np.uint8 if body.input.kind == "image" else np.float32
    if arrays["inputs"].dtype != wanted:
        raise HeldoutInvalid(f"heldout.npz: inputs are {arrays['inputs'].dtype}, not {np.dtype(wanted)}")
    return Heldout(
        inputs=arrays["inputs"],
        labels=arrays["labels"].astype(np.int64) if "labels" in arrays else None,
        codes=arrays["codes"].astype(np.float32),
        coordinates=arrays["coordinates"].astype(np.float32),
    )
