"""Questions whose answers are known, and the check that an answer belongs to its question.

A service that mixes up two requests answers 200 to both. So every question has numbers of its own, and its answer is
compared with what the version that is named in `X-Latent-Model` must give.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from latent.chaos.shots import Answer
from model_store.manifest import ImageInput, Manifest, VectorInput
from model_store.preprocess import from_uint8, input_to_table

Array = NDArray[Any]

VERBS = ("encode", "decode", "reconstruct")
FIELDS = {"encode": "z", "decode": "outputs", "reconstruct": "outputs"}
"""The array of each verb's answer that is compared."""
JSON, NPY, NPZ = "application/json", "application/x-npy", "application/x-npz"
READABLE = (JSON, NPY, NPZ)

_SIZES = (1, 1, 1, 2, 5, 20)
"""Items of the questions of one verb."""


@dataclass(frozen=True, eq=False)
class Question:
    """Items to encode or reconstruct, or codes to decode; `items` are as a client sends them, in the user's units."""

    model: Manifest
    verb: str
    number: int
    items: Array = field(repr=False)
    pixels: Array | None = field(repr=False)
    """The same items as pictures (n, h, w, c) in uint8, where the model has pictures."""
    labels: tuple[int, ...] | None
    """Classes of the items, for a conditional model."""

    @property
    def id(self) -> tuple[str, str, int]:
        """What tells it from all others."""
        return self.model.name, self.verb, self.number


def questions(model: Manifest, seed: int) -> list[Question]:
    """Some questions of each verb to one model; the same for the same seed."""
    rng = np.random.default_rng([seed, *model.name.encode()])
    return [_question(model, verb, number, n, rng) for verb in VERBS for number, n in enumerate(_SIZES)]


def _question(model: Manifest, verb: str, number: int, n: int, rng: np.random.Generator) -> Question:
    spec = model.input
    labels = (
        tuple(int(label) for label in rng.integers(0, len(spec.class_names or ()), n)) if spec.conditional else None
    )
    if verb == "decode":
        return Question(model, verb, number, rng.uniform(-1.5, 1.5, (n, model.latent.dim)), None, labels)
    if isinstance(spec, ImageInput):
        pixels = rng.integers(0, 256, (n, *spec.shape), np.uint8)
        return Question(model, verb, number, from_uint8(pixels, spec), pixels, labels)
    low, high = spec.value_range or (-1.0, 1.0)
    x = rng.uniform(low, high, (n, *spec.shape)).astype(np.float32)
    items = input_to_table(x, spec) if isinstance(spec, VectorInput) else x
    return Question(model, verb, number, items, None, labels)


class Truth(Protocol):
    """Knows the right answers."""

    def answer(self, question: Question, reference: str) -> Array | None:
        """The right numbers of the version `reference`; None where they are not known."""

    @property
    def tolerance(self) -> float:
        """How far an answer may be off, as a part of the largest right number."""


class LearnedTruth:
    """The answers that a service gave before it was loaded."""

    tolerance = 0.03
    """Rows may be computed in another batch, in bfloat16 too; the answer to another question is far off."""

    def __init__(self, learned: Iterable[tuple[Question, str, Array]]) -> None:
        self._learned = {(question.id, reference): numbers for question, reference, numbers in learned}

    def answer(self, question: Question, reference: str) -> Array | None:
        """What this version answered when it was asked alone."""
        return self._learned.get((question.id, reference))


def check_against(truth: Truth, question: Question, media_type: str) -> _Compare:
    """Make the check of a question's answers in one of the READABLE types."""
    return _Compare(truth, question, media_type)


@dataclass(frozen=True)
class _Compare:
    truth: Truth
    question: Question
    media_type: str

    def __call__(self, answer: Answer) -> str | None:
        reference = answer.headers.get("x-latent-model", "")
        if reference.partition("@")[0] != self.question.model.name:
            return f"an answer of {reference or 'no model'}, not of {self.question.model.name}"
        try:
            got = numbers_of(answer, self.question.verb, self.media_type)
        except Exception as error:  # noqa: BLE001 - whatever a reader of arrays raises, it is no right answer
            return f"an answer that cannot be read as {self.media_type} ({type(error).__name__})"
        right = self.truth.answer(self.question, reference)
        if right is None:
            return None if len(got) == len(self.question.items) else f"{len(got)} items for {len(self.question.items)}"
        if got.shape != right.shape:
            return f"an answer of shape {got.shape}, not {right.shape}"
        off, allowed = float(np.abs(got - right).max()), self.truth.tolerance * max(float(np.abs(right).max()), 1e-3)
        return (
            None if off <= allowed else f"an answer that is not that of {reference} to this request (off by {off:.3g})"
        )


def numbers_of(answer: Answer, verb: str, media_type: str) -> Array:
    """The compared array of an answer. Raises whatever the readers of the types raise."""
    if media_type == JSON:
        return np.asarray(orjson.loads(answer.body)[FIELDS[verb]], np.float64)
    loaded: Any = np.load(io.BytesIO(answer.body), allow_pickle=False)
    return np.asarray(loaded if media_type == NPY else loaded[FIELDS[verb]], np.float64)


def npy(items: Array) -> bytes:
    """An array as application/x-npy."""
    content = io.BytesIO()
    np.save(content, items, allow_pickle=False)
    return content.getvalue()


def label_names(model: Manifest, labels: Sequence[int] | None) -> list[str] | None:
    """The names of classes."""
    return None if labels is None else [(model.input.class_names or ())[label] for label in labels]
