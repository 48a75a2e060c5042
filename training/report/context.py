"""What every part of the report looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_store.prior import Mixture
from training.autoencoder import Autoencoder
from training.evaluate import Evaluation
from training.inputs import Prepared

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Context:
    """A trained model, its data, and what was found out about it."""

    model: Autoencoder
    data: Prepared
    evaluation: Evaluation
    prior: Mixture
    seed: int

    def samples(self, n: int) -> tuple[Float32, str]:
        """n decoded samples (n, *shape) of the prior that is served by default, and its name."""
        rng = np.random.default_rng(self.seed)
        mixture = self.prior
        noise = rng.standard_normal((n, self.model.latent_dim))
        if self.model.gaussian:
            return self.model.decode_array(noise.astype(np.float32)), "the prior N(0, I)"
        component = rng.choice(len(mixture.weights), n, p=mixture.weights)
        z = mixture.means[component] + np.einsum("nij,nj->ni", mixture.factors[component], noise)
        return self.model.decode_array(z.astype(np.float32)), "the mixture fitted to the codes"
