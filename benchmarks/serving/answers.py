"""Compares a server's answers with TensorFlow's."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np

from benchmarks.serving.cases import Case, Items
from benchmarks.serving.errors import BenchError


@dataclass(frozen=True)
class Closeness:
    """A tolerance: |got - expected| <= atol + rtol * |expected|; see model_store.manifest.Tolerance."""

    rtol: float
    atol: float


def compare(who: str, case: Case, content: bytes, items: Items, closeness: Closeness) -> float:
    """The largest difference between an answer's body and TensorFlow's answer, pictures clipped to [0, 1].

    Raises BenchError where the difference is too large, or the answer has another form.
    """
    expected = items.expected(case)
    try:
        if case.format == "npy":
            name = next(iter(expected))
            got = {name: np.load(io.BytesIO(content), allow_pickle=False)}
        else:
            document = json.loads(content)
            got = {name: np.array(document[name], np.float64) for name in expected}
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise BenchError(
            f"{who}, {case.name}: the answer is not what was asked for ({type(error).__name__})"
        ) from error
    worst = 0.0
    for name, array in got.items():
        if array.shape != expected[name].shape:
            raise BenchError(f"{who}, {case.name}: {name} has shape {array.shape}, not {expected[name].shape}")
        said, truth = (np.clip(one, 0.0, 1.0) if name == "outputs" else one for one in (array, expected[name]))
        difference = np.abs(said - truth)
        if not (difference <= closeness.atol + closeness.rtol * np.abs(truth)).all():
            raise BenchError(f"{who}, {case.name}: {name} is off by {difference.max():.2g} from TensorFlow's answer")
        worst = max(worst, float(difference.max()))
    return worst
