"""The worst input of each kind that was found so far: small to send, and dear to whom it is sent."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

import numpy as np
import orjson

from latent.chaos.shots import Manner, Shot
from latent.chaos.truth import JSON, NPY, npy
from latent.chaos.well_formed import BOUNDARY, FORM, form
from model_store.manifest import ImageInput, Manifest

MB = 1 << 20

BLACK_WEBP = bytes.fromhex("524946461a000000574542505650384c0e0000002fffcfff03071011fd0f4444ff03")
"""A black picture of 4096 × 4096 pixels, in 34 bytes."""

_TAKEN_OR_REFUSED = frozenset({200, 400, 413, 422})
_REFUSED = frozenset({400, 413, 422})
_HEAD = frozenset({200, 400, 404, 414, 422, 431})
_MAGNIFIED_PIXELS = 60_000_000
"""Pixels of a magnified answer, three bytes each: below the default of LATENT_MAX_OUTPUT_BYTES."""


def worst(models: Sequence[Manifest]) -> Iterator[Shot]:
    """The worst requests for these models, made one by one: they are large."""
    for model in models:
        yield from _any(model)
        yield from _of_pictures(model)


def _any(model: Manifest) -> Iterator[Shot]:
    encode, decode, sample = (f"/{verb}?model={model.name}" for verb in ("encode", "decode", "sample"))
    yield _post("30 MB of 1,1,1", decode, b'{"z": [[' + b"1," * (15 * MB) + b"1]]}", JSON, _REFUSED)
    yield _post(
        "100,000 nested arrays", encode, b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, _REFUSED
    )
    yield _post("array with a text of 8 MB", encode, orjson.dumps({"inputs": [[0.5, "x" * 8 * MB]]}), JSON, _REFUSED)
    yield _post("30 MB that is refused", encode, b" " * (30 * MB), JSON, _REFUSED)
    yield _post("60 MB that is refused", encode, b" " * (60 * MB), JSON, frozenset({200, 400, 413, 422}))
    yield _post("20 MB cut short", decode, b'{"z": [[' + b"1," * (10 * MB), JSON, _REFUSED, Manner.CUT)
    fields = {f"X-Field-{i}": "x" * 650 for i in range(88)}
    code = orjson.dumps({"z": [[0.0] * model.latent.dim], "labels": _label(model)})
    yield Shot("worst: head of 60 kB", decode, _HEAD, body=code, headers={"Content-Type": JSON, **fields})
    yield Shot("worst: URL of 60 kB", f"{sample}&{'x' * 60_000}=1", _HEAD, method="GET", refused_early=True)
    label = "" if _label(model) is None else f"&labels={_label(model)}"
    large = f"{sample}&n=1024{label}"
    yield Shot("worst: unread sample", large, _HEAD, method="GET", headers={"Accept": JSON}, manner=Manner.UNREAD)
    yield Shot("worst: 1,024 samples", large, _HEAD, method="GET", headers={"Accept": JSON})


def _of_pictures(model: Manifest) -> Iterator[Shot]:
    spec = model.input
    if not isinstance(spec, ImageInput):
        return
    label = "" if _label(model) is None else f"&labels={_label(model)}"
    encode = f"/encode?model={model.name}{label}"
    text = base64.b64encode(BLACK_WEBP).decode()
    for n in (4, 1000):
        body = orjson.dumps({"images": [text] * n, "labels": _label(model)})
        yield _post(f"{n} WebP of 4096²", f"/encode?model={model.name}", body, JSON, _TAKEN_OR_REFUSED)
    pictures = form([BLACK_WEBP] * 4, "image/webp")
    yield _post("abandoned form of WebP", encode, pictures, FORM, _TAKEN_OR_REFUSED, Manner.ABANDONED)
    yield _post("form of 20,000 files", encode, form([b"x"] * 20_000), FORM, _REFUSED)
    dashes = b"\r\n--\r\n-\r\n" * (MB // 2)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'.encode()
    yield _post("form of CRLF and dashes", encode, head + dashes, FORM, _REFUSED)
    height, width, _ = spec.shape
    steps = int(np.clip(_MAGNIFIED_PIXELS // (height * width * 16**2), 2, 1000))
    codes = npy(np.vstack([np.zeros(model.latent.dim), np.ones(model.latent.dim)]))
    for kind in ("gif", "webp", "png"):
        path = f"/interpolate?model={model.name}&steps={steps}&scale=16{label}"
        headers = {"Content-Type": NPY, "Accept": f"image/{kind}"}
        what = f"worst: abandoned {kind.upper()} × 16"
        yield Shot(what, path, _TAKEN_OR_REFUSED, body=codes, headers=headers, manner=Manner.ABANDONED)


def _label(model: Manifest) -> str | None:
    return (model.input.class_names or (None,))[0] if model.input.conditional else None


def _post(
    kind: str,
    path: str,
    body: bytes,
    content_type: str,
    expected: frozenset[int],
    manner: Manner = Manner.PLAIN,
) -> Shot:
    headers = {"Content-Type": content_type}
    return Shot(f"worst: {kind}", path, expected, body=body, headers=headers, manner=manner, refused_early=True)
