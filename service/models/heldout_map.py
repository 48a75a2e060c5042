"""The map of a version: held-out items, drawn in two dimensions by their codes. Pure numpy; d is latent_dim."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.arrays import Float64
from model_store.errors import HeldoutInvalid, RequiredFileMissing
from model_store.heldout import Heldout, read_heldout
from model_store.manifest import Manifest
from model_store.prior import Mixture, read_prior
from model_store.verify import HELDOUT, PRIOR, check_digest

Array = NDArray[Any]

_NOT_VARYING = 1e-6
"""A direction in which codes vary less than this share of the widest direction is float32 rounding."""


@dataclass(frozen=True)
class Projection:
    """An affine projection of codes to the map: coordinates = matrix · z + offset."""

    matrix: Float64
    """(2, d)"""
    offset: Float64
    """(2,)"""


@dataclass(frozen=True)
class HeldoutMap:
    """The data of a version's map: held-out items, the projection of codes, and the fitted prior."""

    heldout: Heldout
    projection: Projection
    prior: Mixture

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays of the map."""
        items, prior = self.heldout, self.prior
        return sum(
            array.nbytes for array in (items.inputs, items.codes, items.coordinates, prior.means, prior.covariances)
        )


def read_map(directory: Path, manifest: Manifest) -> HeldoutMap:
    """Read the map of a published version from its files, checked against the manifest's digests.

    Raises FileMissing, FileAltered, RequiredFileMissing, HeldoutInvalid or PriorInvalid.
    """
    for name in (HELDOUT, PRIOR):
        if name not in manifest.files:
            raise RequiredFileMissing(f"the version has no {name}")
        check_digest(directory, name, manifest.files[name])
    heldout = read_heldout(directory / HELDOUT, manifest)
    if not (np.isfinite(heldout.codes).all() and np.isfinite(heldout.coordinates).all()):
        raise HeldoutInvalid(f"{HELDOUT}: codes and coordinates must be finite numbers")
    projection = fit_projection(heldout.codes, heldout.coordinates)
    return HeldoutMap(heldout, projection, read_prior(directory / PRIOR, manifest.latent.dim))


def fit_projection(codes: Array, coordinates: Array) -> Projection:
    """Fit the affine projection from codes (m, d) to their coordinates on the map (m, 2).

    Up to two dimensions are drawn as they are, (z, 0) where there is one. More are drawn by an affine map (the first
    two principal components of the training codes), which least squares find again. Where the codes do not vary in
    every direction there are many such maps: of these it is the one of the smallest matrix (the minimum-norm solution
    by the singular value decomposition), which does not move along directions that no held-out code has.
    """
    d = codes.shape[1]
    if d <= 2:
        return Projection(np.eye(2)[:, :d], np.zeros(2))
    z, places = codes.astype(np.float64), coordinates.astype(np.float64)
    z_mean, places_mean = z.mean(axis=0), places.mean(axis=0)
    solution = np.linalg.lstsq(z - z_mean, places - places_mean, rcond=_NOT_VARYING)[0]
    matrix = np.ascontiguousarray(solution.T)
    return Projection(matrix, places_mean - matrix @ z_mean)


def spread(heldout: Heldout, most: int | None) -> Heldout:
    """Choose at most `most` of m items, evenly spread: item i of n is held-out item ⌊i · m / n⌋."""
    m = len(heldout.codes)
    if most is None or most >= m:
        return heldout
    chosen = np.arange(most) * m // most
    return Heldout(
        inputs=heldout.inputs[chosen],
        labels=None if heldout.labels is None else heldout.labels[chosen],
        codes=heldout.codes[chosen],
        coordinates=heldout.coordinates[chosen],
    )
