"""The verbs of the service, as functions from arguments to a `Call`. Pure, except that named files are read.

Their signatures and docstrings are those of the clients' methods. Options have the names, meanings and
defaults of the HTTP contract; None leaves the choice to the server. Everywhere `model` is NAME, NAME@3 or
NAME@production, and wins over the client's own. `labels` are class indices or names, one for all items or
one for each; outside `sample` and code waypoints a name is looked up first, then an index.

Raise UnusableInput for arguments that can't be sent, OSError for files that can't be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from latent_client import answers
from latent_client.answers import Decoded, Encoded, Interpolated, LatentMap, Manifold, ModelInfo, Reconstructed, Sampled
from latent_client.bodies import ArrayBody, Body, Inputs, JsonBody, array_of, body_of
from latent_client.calls import JSON, Call
from latent_client.errors import UnusableInput

Label: TypeAlias = int | str
Labels: TypeAlias = Label | Sequence[Label] | npt.NDArray[np.integer[Any]] | npt.NDArray[np.str_]
Fit: TypeAlias = Literal["contain", "cover", "stretch"]
Method: TypeAlias = Literal["auto", "lerp", "slerp"]
Space: TypeAlias = Literal["latent", "data"]
Prior: TypeAlias = Literal["auto", "standard", "fitted"]
Spacing: TypeAlias = Literal["quantile", "linear"]


def encode(
    inputs: Inputs,
    *,
    labels: Labels | None = None,
    sample: bool = False,
    seed: int | None = None,
    fit: Fit | None = None,
    invert: bool = False,
    model: str | None = None,
) -> Call[Encoded]:
    """Codes of n items: arrays (n, …) in the model's value range (uint8: 0…255), or images.

    Deterministic, unless a draw from the posterior is asked for with `sample`; `seed` in [0, 2**53)
    repeats a draw. `fit` and `invert` say how images are brought to the model's input.
    """
    return Call(
        "POST",
        "/encode",
        answers.encoded,
        body_of(inputs),
        {
            "labels": labels,
            "sample": sample or None,
            "seed": seed,
            "fit": fit,
            "invert": invert or None,
        },
        model,
        # A draw depends on (seed, row): cut into requests, every one would begin again at row 0.
        join=None if sample else answers.joined,
    )


def decode(z: npt.ArrayLike, *, labels: Labels | None = None, model: str | None = None) -> Call[Decoded]:
    """Decode codes `z` (n, latent_dim) to items in the model's value range."""
    return Call(
        "POST",
        "/decode",
        answers.decoded,
        ArrayBody(array_of(z)),
        {"labels": labels},
        model,
        join=answers.joined,
    )


def reconstruct(
    inputs: Inputs,
    *,
    labels: Labels | None = None,
    target_labels: Labels | None = None,
    threshold: float | None = None,
    quantile: float | None = None,
    error_map: bool = False,
    fit: Fit | None = None,
    invert: bool = False,
    model: str | None = None,
) -> Call[Reconstructed]:
    """Encode items and decode them again, with metrics and an anomaly score of each.

    `target_labels` decode under another label than was encoded with. The limit of the anomaly score is the
    model's own, or `threshold` (an mse), or the `quantile` in [0, 1] of the held-out scores.
    `error_map` adds the error of every pixel.
    """
    return Call(
        "POST",
        "/reconstruct",
        answers.reconstructed,
        body_of(inputs),
        {
            "labels": labels,
            "target_labels": target_labels,
            "threshold": threshold,
            "quantile": quantile,
            "error_map": error_map or None,
            "fit": fit,
            "invert": invert or None,
        },
        model,
        join=answers.joined,
    )


def interpolate(
    inputs: Inputs | None = None,
    *,
    z: npt.ArrayLike | None = None,
    steps: int = 8,
    method: Method = "auto",
    space: Space = "latent",
    labels: Labels | None = None,
    fit: Fit | None = None,
    invert: bool = False,
    model: str | None = None,
) -> Call[Interpolated]:
    """Decode a path through w >= 2 waypoints, which are `inputs` (w items) or codes `z` (w, latent_dim).

    `steps` >= 2 points from each waypoint to the next, both included. `method` "auto" is slerp (Shoemake
    1985) for Gaussian codes and lerp for deterministic ones; `space` "data" blends the inputs themselves.
    `labels`: one for all or one for each waypoint.
    """
    return Call(
        "POST",
        "/interpolate",
        answers.interpolated,
        _waypoints(inputs, z),
        {
            "steps": steps,
            "method": method,
            "space": space,
            "labels": labels,
            "fit": fit,
            "invert": invert or None,
        },
        model,
    )


def sample(
    n: int = 16,
    *,
    seed: int | None = None,
    temperature: float = 1.0,
    truncation: float | None = None,
    prior: Prior = "auto",
    labels: Labels | None = None,
    model: str | None = None,
) -> Call[Sampled]:
    """Draw `n` codes from the prior and decode them; `n=k` with the same seed gives the first k of them.

    `seed` in [0, 2**53). `temperature` scales the standard deviation; `truncation` cuts the normal off at
    so many standard deviations. `prior` "auto" is N(0, I) for Gaussian codes and the mixture that was
    fitted to the training codes for deterministic ones.
    """
    fields: dict[str, object] = {"n": n, "temperature": temperature, "prior": prior}
    options = {"seed": seed, "truncation": truncation, "labels": labels}
    return Call("POST", "/sample", answers.sampled, JsonBody(fields), options, model)


def manifold(
    n: int = 15,
    *,
    spacing: Spacing | None = None,
    low: float | None = None,
    extent: float | None = None,
    dims: Sequence[int] | None = None,
    z: npt.ArrayLike | None = None,
    label: Label | None = None,
    model: str | None = None,
) -> Call[Manifold]:
    """Decode a grid of n × n codes over two dimensions `dims` (default 0, 1); `n` <= 64.

    `spacing` "quantile" takes the prior's quantiles from `low` to 1 - `low`, "linear" equal steps from
    -`extent` to `extent`, in prior standard deviations. `z` (latent_dim,) is held in all other dimensions.
    A one-dimensional code gives one strip of n.
    """
    options = {
        "n": n,
        "spacing": spacing,
        "low": low,
        "extent": extent,
        "dims": dims,
        "z": None if z is None else array_of(z),
        "label": label,
    }
    return Call("GET", "/manifold", answers.manifold, None, options, model)


def models() -> Call[list[ModelInfo]]:
    """All models of the store, with their versions and states."""
    return Call("GET", "/models", answers.model_list, accept=JSON)


def model(name: str) -> Call[dict[str, Any]]:
    """Manifest, state, aliases and links of the version that answers for `name`."""
    return Call("GET", _model_path(name), answers.document, accept=JSON, path_names_model=True)


def version(name: str, n: int) -> Call[dict[str, Any]]:
    """Manifest, state, aliases and links of version `n` of a model."""
    return Call("GET", _model_path(name, n), answers.document, accept=JSON, path_names_model=True)


def map(  # noqa: A001 - the HTTP API's own word, and nothing here maps over anything
    name: str, n: int | None = None, *, items: int | None = None, inputs: bool = True
) -> Call[LatentMap]:
    """Held-out items of a model and their places on its map; of version `n`, or of the one that answers for `name`.

    At most `items` of them, evenly over all; without `inputs` only their codes and places.
    """
    options = {"items": items, "inputs": None if inputs else False}
    return Call("GET", f"{_model_path(name, n)}/map", answers.latent_map, None, options, path_names_model=True)


def readiness() -> Call[None]:
    """Ask whether the service is ready. Raises Unavailable with the reason if it is not."""
    return Call("GET", "/readyz", answers.nothing, accept=JSON)


def _model_path(name: str, version: int | None = None) -> str:
    path = f"/models/{quote(name, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _waypoints(inputs: Inputs | None, z: npt.ArrayLike | None) -> Body:
    if z is not None and inputs is None:
        return JsonBody({"z": array_of(z)})
    if inputs is None or z is not None:
        raise UnusableInput("interpolate takes either inputs or z: exactly one of the two")
    body = body_of(inputs)
    if isinstance(body, ArrayBody) and body.array.ndim <= 2:
        # As a bare array, vectors could be taken for codes; in JSON the key tells which they are.
        return JsonBody({"inputs": body.array})
    return body
