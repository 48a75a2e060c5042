"""Answers of the service as frozen dataclasses, and functions that read them from replies. Pure.

Every answer carries `model` (NAME@VERSION, who answered) and `request_id` (to be found in the server's log).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from latent_client.errors import UnreadableReply

if TYPE_CHECKING:
    import httpx
    from _typeshed import DataclassInstance

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]

Answer = TypeVar("Answer", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Codes of n items: `z`, `z_mean` and `z_log_var`, each (n, latent_dim).

    `z` is `z_mean`, unless a sample was asked for: then `seed` draws it again. `z_log_var` (natural log of
    the variance) is None for deterministic codes.
    """

    z: FloatArray
    z_mean: FloatArray
    z_log_var: FloatArray | None
    seed: int | None
    model: str
    request_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """`outputs` (n, …), in the model's value range and shape."""

    outputs: FloatArray
    model: str
    request_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """Metrics of each item, (n,), at the code z_mean: `mse`; `nll`, `kl` and `elbo = -(nll + kl)` in nats.

    `kl` and `elbo` are None for deterministic codes.
    """

    mse: FloatArray
    nll: FloatArray | None
    kl: FloatArray | None
    elbo: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Anomaly:
    """Anomaly scores of each item, (n,): `score` is the mse, `percentile` in [0, 100] its rank among held-out items.

    `is_anomaly` is score > `threshold`.
    """

    score: FloatArray
    percentile: FloatArray
    is_anomaly: npt.NDArray[np.bool_]
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Reconstructed:
    """Reconstructions `outputs` (n, …), their codes `z` (n, latent_dim), and their distance from the inputs.

    `error_map` (n, …) is the error of every pixel, where it was asked for.
    """

    outputs: FloatArray
    z: FloatArray
    metrics: Metrics
    anomaly: Anomaly
    error_map: FloatArray | None
    model: str
    request_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Interpolated:
    """A path through w waypoints: `t` from 0 to w - 1, (m,), `outputs` (m, …), m = (w - 1)(steps - 1) + 1.

    `z` (m, latent_dim) is None where the inputs themselves were blended (`space="data"`).
    """

    t: FloatArray
    z: FloatArray | None
    outputs: FloatArray
    model: str
    request_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """New items `outputs` (n, …) from codes `z` (n, latent_dim) drawn from `prior`; `seed` draws them again."""

    seed: int
    prior: str
    z: FloatArray
    outputs: FloatArray
    model: str
    request_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Manifold:
    """A grid of codes `z` (m, latent_dim) and what they decode to, `outputs` (m, …), row by row from the top.

    `columns` items stand in a row. `dims` are the dimensions of the code that vary (to the right, upwards),
    `values` (len(dims), n) the numbers that each of them takes.
    """

    dims: tuple[int, ...]
    values: FloatArray
    columns: int
    z: FloatArray
    outputs: FloatArray
    model: str
    request_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Affine map from codes z (n, latent_dim) to places on the map: `z @ matrix.T + offset`, (n, 2)."""

    matrix: FloatArray
    offset: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A mixture of k Gaussians: `weights` (k,), `means` (k, latent_dim), `covariances` (k, latent_dim, latent_dim)."""

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LatentMap:
    """n held-out items: their `codes` (n, latent_dim), and `coordinates` (n, 2) to draw them at.

    `labels` (n,) are class indices, None where unknown. `inputs` are uint8 pictures (n, h, w, c), or float32 (n, …) in
    the user's units; None where they were not asked for. `prior` was fitted to the training codes.
    """

    codes: FloatArray
    coordinates: FloatArray
    labels: npt.NDArray[np.integer[Any]] | None
    inputs: Array | None
    projection: Projection
    prior: Mixture
    model: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version of a model; `state` is ready, loading, failed (then `reason` says why), …"""

    version: int
    state: str
    reason: str | None
    engine: str | None
    aliases: tuple[str, ...]
    family: str | None
    created_at: str | None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of the store; the `default` model answers requests that name no model."""

    name: str
    default: bool
    versions: tuple[VersionInfo, ...]


def encoded(reply: httpx.Response) -> Encoded:
    """Read the reply of /encode. This and all functions below raise UnreadableReply for another format."""
    entries = _Entries(reply)
    seed = entries.get("seed")
    return Encoded(
        z=entries["z"],
        z_mean=entries["z_mean"],
        z_log_var=entries.get("z_log_var"),
        seed=None if seed is None else int(seed),
        model=model_of(reply),
        request_id=_request_id(reply),
    )


def decoded(reply: httpx.Response) -> Decoded:
    """Read the reply of /decode."""
    return Decoded(_Entries(reply)["outputs"], model=model_of(reply), request_id=_request_id(reply))


def reconstructed(reply: httpx.Response) -> Reconstructed:
    """Read the reply of /reconstruct."""
    entries = _Entries(reply)
    return Reconstructed(
        outputs=entries["outputs"],
        z=entries["z"],
        metrics=Metrics(
            mse=entries["metrics.mse"],
            nll=entries.get("metrics.nll"),
            kl=entries.get("metrics.kl"),
            elbo=entries.get("metrics.elbo"),
        ),
        anomaly=Anomaly(
            score=entries["anomaly.score"],
            percentile=entries["anomaly.percentile"],
            is_anomaly=entries["anomaly.is_anomaly"],
            threshold=float(entries["anomaly.threshold"]),
        ),
        error_map=entries.get("error_map"),
        model=model_of(reply),
        request_id=_request_id(reply),
    )


def interpolated(reply: httpx.Response) -> Interpolated:
    """Read the reply of /interpolate."""
    entries = _Entries(reply)
    return Interpolated(
        t=entries["t"],
        z=entries.get("z"),
        outputs=entries["outputs"],
        model=model_of(reply),
        request_id=_request_id(reply),
    )


def sampled(reply: httpx.Response) -> Sampled:
    """Read the reply of /sample."""
    entries = _Entries(reply)
    return Sampled(
        seed=int(entries["seed"]),
        prior=str(entries["prior"]),
        z=entries["z"],
        outputs=entries["outputs"],
        model=model_of(reply),
        request_id=_request_id(reply),
    )


def manifold(reply: httpx.Response) -> Manifold:
    """Read the reply of /manifold."""
    entries = _Entries(reply)
    return Manifold(
        dims=tuple(entries["dims"].tolist()),
        values=entries["values"],
        columns=int(entries["columns"]),
        z=entries["z"],
        outputs=entries["outputs"],
        model=model_of(reply),
        request_id=_request_id(reply),
    )


def latent_map(reply: httpx.Response) -> LatentMap:
    """Read the reply of /models/NAME/map."""
    entries = _Entries(reply)
    return LatentMap(
        codes=entries["codes"],
        coordinates=entries["coordinates"],
        labels=entries.get("labels"),
        inputs=entries.get("inputs"),
        projection=Projection(entries["projection.matrix"], entries["projection.offset"]),
        prior=Mixture(entries["prior.weights"], entries["prior.means"], entries["prior.covariances"]),
        model=model_of(reply),
        request_id=_request_id(reply),
    )


def document(reply: httpx.Response) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        value = reply.json()
    except ValueError as error:
        raise _unreadable(reply, "JSON") from error
    if not isinstance(value, dict):
        raise _unreadable(reply, "a JSON object")
    return value


def model_list(reply: httpx.Response) -> list[ModelInfo]:
    """Read the reply of /models."""
    try:
        return [
            ModelInfo(
                name=model["name"],
                default=model["default"],
                versions=tuple(_version_info(version) for version in model["versions"]),
            )
            for model in document(reply)["models"]
        ]
    except (KeyError, TypeError) as error:
        raise _unreadable(reply, "a list of models") from error


def content(reply: httpx.Response) -> bytes:
    """Return the bytes of a picture. Raises UnreadableReply if the media type is not the requested one."""
    if not reply.headers.get("content-type", "").startswith("image/"):
        raise _unreadable(reply, "a picture")
    return reply.content


def nothing(_reply: httpx.Response) -> None:
    """Read nothing: the status of the reply is the whole answer."""


def model_of(reply: httpx.Response) -> str:
    """Return NAME@VERSION of the version that answered."""
    model: str | None = reply.headers.get("x-latent-model")
    if model is None:
        raise _unreadable(reply, "a reply that names its model in X-Latent-Model")
    return model


def joined(parts: Sequence[Answer]) -> Answer:
    """Join the answers to consecutive parts of a batch: arrays are concatenated, other fields are the first's."""
    first = parts[0]
    merged: dict[str, Any] = {
        field.name: _merged([getattr(part, field.name) for part in parts]) for field in fields(first)
    }
    return replace(first, **merged)


def _merged(values: Sequence[object]) -> object:
    first = values[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(cast("Sequence[Array]", values))
    if is_dataclass(first):
        return joined(cast("Sequence[DataclassInstance]", values))
    return first


class _Entries(dict[str, Array]):
    """Arrays of a .npz reply by name. Raises UnreadableReply if a required name is missing."""

    def __init__(self, reply: httpx.Response) -> None:
        self._reply = reply
        try:
            with np.load(io.BytesIO(reply.content), allow_pickle=False) as archive:
                super().__init__(archive.items())
        # np.load hands what is no archive to other readers: each has an error of its own.
        except (AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise _unreadable(reply, ".npz arrays") from error

    def __missing__(self, name: str) -> Array:
        raise _unreadable(self._reply, f"the array {name!r}, which is not among {', '.join(sorted(self))}")


def _version_info(version: dict[str, Any]) -> VersionInfo:
    return VersionInfo(
        version=version["version"],
        state=version["state"],
        reason=version.get("reason"),
        engine=version.get("engine"),
        aliases=tuple(version.get("aliases") or ()),
        family=version.get("family"),
        created_at=version.get("created_at"),
    )


def _request_id(reply: httpx.Response) -> str | None:
    request_id: str | None = reply.headers.get("x-request-id")
    return request_id


def _unreadable(reply: httpx.Response, expected: str) -> UnreadableReply:
    got = reply.headers.get("content-type", "no content type")
    return UnreadableReply(f"expected {expected} from {reply.url}, got {len(reply.content)} bytes of {got}")
