"""Quality of samples: the Fréchet distance to real items in a small classifier's features, beside PCA's."""

from __future__ import annotations

import numpy as np

from model_store.arrays import Float32, Float64
from training.data.dataset import Labels
from training.reproduce.measures import frechet_distance
from training.reproduce.reader import Reader
from training.reproduce.served import Served

_SAMPLES = 10_000
_COMPONENTS = 10
_MIXTURE_ITEMS = 20_000


def frechet_figures(served: Served, train: Float32, labels: Labels, test: Float32) -> dict[str, float]:
    """Measure Fréchet distances to the test items (m, *shape): of decoded draws from N(0, I), and of PCA's samples.

    The classifier and PCA learn from the training items (n, *shape) with their class indices (n,). `pca_frechet` is of
    draws from a mixture of ten full Gaussians over as many components as the code has dimensions, decoded by PCA and
    clipped to [0, 1].
    """
    reader = Reader.trained(train, labels)
    reference = reader.features(test)
    z = np.random.default_rng(0).standard_normal((_SAMPLES, served.manifest.latent.dim)).astype(np.float32)
    drawn = pca_samples(train, served.manifest.latent.dim, _SAMPLES)
    return {
        "frechet": frechet_distance(reader.features(served.decode(z)), reference),
        "pca_frechet": frechet_distance(reader.features(np.clip(drawn, 0.0, 1.0)), reference),
    }


def pca_samples(train: Float32, dim: int, n: int, *, seed: int = 0) -> Float64:
    """Draws (n, *shape) from a Gaussian mixture over the first `dim` principal components of items (m, *shape)."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    flat = train[:_MIXTURE_ITEMS].reshape(min(len(train), _MIXTURE_ITEMS), -1).astype(np.float64)
    analysis = PCA(dim, random_state=seed).fit(flat)
    mixture = GaussianMixture(_COMPONENTS, reg_covar=1e-4, random_state=seed).fit(analysis.transform(flat))
    codes, _ = mixture.sample(n)
    drawn: Float64 = analysis.inverse_transform(codes).reshape(n, *train.shape[1:])
    return drawn
