"""Imports of TensorFlow and Keras that print no messages."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType


@cache
def import_tensorflow() -> ModuleType:
    """Import TensorFlow without its messages; the first call takes seconds."""
    # Level 3 silences the native library's log once it is up; what it prints before that goes past every level.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Else a file ~/.keras/keras.json, or one in a /tmp that is shared, changes what is computed; or one is written.
    os.environ.setdefault("KERAS_HOME", os.devnull)
    with native_noise_dropped():
        import tensorflow as tf

        tf.constant(0)  # starts the runtime, which logs too
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    module: ModuleType = tf
    return module


@cache
def import_keras() -> ModuleType:
    """Import Keras on TensorFlow without messages."""
    import_tensorflow()
    import keras

    module: ModuleType = keras
    return module


@contextlib.contextmanager
def native_noise_dropped() -> Iterator[None]:
    """Discard file descriptor 2 in a `with` block: TensorFlow's native code prints past sys.stderr and log levels."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(nowhere)
        os.close(saved)
