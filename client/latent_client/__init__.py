"""Client of the Latent service: encode, decode, reconstruct, interpolate and sample over HTTP.

    with Client("http://127.0.0.1:8000", model="mnist-vae") as client:
        codes = client.encode(["seven.png", "two.png"])
        morph = client.pictures("gif", fps=12).interpolate(z=codes.z, steps=24)

`AsyncClient` has the same methods, to be awaited. Every error is a `LatentError`.
"""

from latent_client.answers import (
    Anomaly,
    Decoded,
    Encoded,
    Interpolated,
    LatentMap,
    Manifold,
    Metrics,
    Mixture,
    ModelInfo,
    Projection,
    Reconstructed,
    Sampled,
    VersionInfo,
)
from latent_client.bodies import ImageSource, Inputs
from latent_client.client import AsyncClient, AsyncPictures, Client, Pictures
from latent_client.errors import (
    BadRequest,
    ConnectionFailed,
    DeadlineExceeded,
    LatentError,
    NotFound,
    Problem,
    ProblemError,
    TimedOut,
    Unavailable,
    UnreadableReply,
    UnusableInput,
)
from latent_client.pictures import PictureFormat
from latent_client.verbs import Fit, Label, Labels, Method, Prior, Space, Spacing
from latent_client.version import __version__

__all__ = [
    "Anomaly",
    "AsyncClient",
    "AsyncPictures",
    "BadRequest",
    "Client",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Decoded",
    "Encoded",
    "Fit",
    "ImageSource",
    "Inputs",
    "Interpolated",
    "Label",
    "Labels",
    "LatentError",
    "LatentMap",
    "Manifold",
    "Method",
    "Metrics",
    "Mixture",
    "ModelInfo",
    "NotFound",
    "PictureFormat",
    "Pictures",
    "Prior",
    "Problem",
    "ProblemError",
    "Projection",
    "Reconstructed",
    "Sampled",
    "Space",
    "Spacing",
    "TimedOut",
    "Unavailable",
    "UnreadableReply",
    "UnusableInput",
    "VersionInfo",
    "__version__",
]
