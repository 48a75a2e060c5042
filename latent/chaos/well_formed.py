"""Good requests: every verb, body format and answer format that a model has."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote

import numpy as np
import orjson
from PIL import Image

from latent.chaos.shots import Answer, Check, Shot
from latent.chaos.truth import JSON, NPY, NPZ, READABLE, Question, Truth, check_against, label_names, npy
from model_store.manifest import ImageInput, Manifest
from model_store.preprocess import encode_png

OK = frozenset({200})
BOUNDARY = "latent-chaos"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
_FORMATS = {"image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}


def well_formed(questions: Sequence[Question], truth: Truth) -> list[Shot]:
    """Good requests for these questions, and for their models."""
    models = {question.model.name: question.model for question in questions}
    asked = [shot for question in questions for shot in _bodies(question, truth)]
    return [*asked, *(shot for model in models.values() for shot in _others(model)), *_about(tuple(models))]


def ask(question: Question) -> Shot:
    """The plainest form of a question."""
    path = f"/{question.verb}?model={question.model.name}{_labels_in_query(question)}"
    headers = {"Content-Type": NPY, "Accept": NPY}
    return Shot(f"{question.verb} npy", path, OK, body=npy(question.items), headers=headers)


def form(files: Sequence[bytes], media_type: str = "image/png") -> bytes:
    """Files as multipart/form-data."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="f"\r\nContent-Type: {media_type}\r\n\r\n'
    ).encode()
    return b"".join(head + file + b"\r\n" for file in files) + f"--{BOUNDARY}--\r\n".encode()


def _bodies(question: Question, truth: Truth) -> Iterator[Shot]:
    model, verb = question.model, question.verb
    path, in_query = f"/{verb}?model={model.name}", _labels_in_query(question)
    labels = label_names(model, question.labels)
    label_field = {} if labels is None else {"labels": labels}
    field = "z" if verb == "decode" else "inputs"
    as_json = orjson.dumps({field: question.items.tolist(), **label_field})
    as_npy = npy(question.items)
    for accept in READABLE:
        check = check_against(truth, question, accept)
        yield _post(f"{verb} JSON", path, as_json, JSON, accept, check)
        yield _post(f"{verb} npy", path + in_query, as_npy, NPY, accept, check)
    if isinstance(model.input, ImageInput) and verb != "encode":
        yield _post(f"{verb} to PNG", f"{path}{in_query}&scale=2", as_npy, NPY, "image/png", is_picture("image/png"))
    if question.pixels is None:
        return
    check = check_against(truth, question, JSON)
    pictures = [encode_png(pixels) for pixels in question.pixels]
    texts = [base64.b64encode(picture).decode() for picture in pictures]
    yield _post(f"{verb} base64", path, orjson.dumps({"images": texts, **label_field}), JSON, JSON, check)
    yield _post(f"{verb} form", path + in_query, form(pictures), FORM, JSON, check)
    if len(pictures) == 1:
        yield _post(f"{verb} PNG", path + in_query, pictures[0], "image/png", JSON, check)
        yield _post(f"{verb} PNG", path + in_query, pictures[0], "image/png", NPZ, check_against(truth, question, NPZ))
        for kind in ("JPEG", "WEBP"):
            large = _large_picture(kind)
            yield _post(f"{verb} {kind}", path + in_query, large, f"image/{kind.lower()}", JSON, None)


def _others(model: Manifest) -> Iterator[Shot]:
    """Requests whose answers are not compared: paths, samples, manifolds, maps."""
    named = f"model={model.name}"
    classes = model.input.class_names if model.input.conditional else None
    label_field = {} if classes is None else {"labels": classes[0]}
    in_query = "" if classes is None else f"&labels={quote(classes[0])}"
    path = {"z": [[0.0] * model.latent.dim, [1.0] * model.latent.dim], "steps": 6, **label_field}
    moving = ["image/png", "image/gif", "image/webp"] if isinstance(model.input, ImageInput) else []
    for accept in (*READABLE, *moving):
        check = is_picture(accept) if accept in _FORMATS else None
        yield _post("interpolate", f"/interpolate?{named}", orjson.dumps(path), JSON, accept, check)
    for n in (1, 5, 64):
        body = orjson.dumps({"n": n, "seed": n, **label_field})
        yield _post("sample", f"/sample?{named}", body, JSON, NPY, None)
        yield _get("GET sample", f"/sample?{named}&n={n}{in_query}", JSON)
    label = "" if classes is None else f"&label={quote(classes[0])}"
    yield _get("manifold", f"/manifold?{named}&n=8{label}", JSON)
    yield _get("map", f"/models/{model.name}/map?items=50", JSON)
    yield _get("model", f"/models/{model.name}", JSON)


def _about(names: Sequence[str]) -> Iterator[Shot]:
    yield _get("models", "/models", JSON)
    yield _get("metrics", "/metrics", "*/*")
    yield _get("readyz", "/readyz", JSON)
    if names:
        yield _get("openapi.json", "/openapi.json", JSON)


def is_picture(media_type: str) -> Check:
    """Make the check that an answer is a whole picture of this type."""

    def check(answer: Answer) -> str | None:
        try:
            with Image.open(io.BytesIO(answer.body), formats=[_FORMATS[media_type]]) as image:
                image.load()
        except Exception as error:  # noqa: BLE001 - whatever Pillow raises, it is no picture
            return f"an answer that is no {media_type} ({type(error).__name__})"
        return None

    return check


def _labels_in_query(question: Question) -> str:
    labels = label_names(question.model, question.labels)
    return "" if labels is None else f"&labels={','.join(map(quote, labels))}"


@lru_cache
def _large_picture(kind: str) -> bytes:
    """A picture that is larger than most models' input."""
    content = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 300), np.uint8)
    Image.fromarray(noise).save(content, kind)
    return content.getvalue()


def _post(kind: str, path: str, body: bytes, content_type: str, accept: str, check: Check | None) -> Shot:
    return Shot(kind, path, OK, body=body, headers={"Content-Type": content_type, "Accept": accept}, check=check)


def _get(kind: str, path: str, accept: str) -> Shot:
    return Shot(kind, path, OK, method="GET", headers={"Accept": accept})
