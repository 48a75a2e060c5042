"""Bad requests, each with the refusal that is right for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import orjson

from latent.chaos.shots import Shot
from latent.chaos.truth import JSON, NPY, npy
from latent.chaos.well_formed import FORM, form
from model_store.manifest import ImageInput, Manifest

_FIELDS_OVER_THE_LIMIT = 150


def ill_formed(models: Sequence[Manifest]) -> list[Shot]:
    """Bad requests to these models, and to paths and models that are not there."""
    return [*(shot for model in models for shot in _to(model)), *_nowhere()]


def _to(model: Manifest) -> Iterator[Shot]:
    path = f"/encode?model={model.name}"
    yield _bad("JSON cut short", path, b'{"inputs": [[1,', JSON, 400)
    yield _bad("NaN in JSON", path, b'{"inputs": [NaN]}', JSON, 400)
    yield _bad("empty body", path, b"", JSON, 400)
    yield _bad("no npy", path, b"\x93NUMPY\x01\x00", NPY, 400)
    yield _bad("wrong shape", path, npy(np.zeros((2, 3, 5, 7, 2), np.float32)), NPY, 422)
    yield _bad("wrong dtype", path, npy(np.array(["text"])), NPY, 422)
    yield _bad("not finite", f"/decode?model={model.name}", npy(np.full((1, model.latent.dim), np.nan)), NPY, 422)
    code = orjson.dumps({"z": [[0.0] * (model.latent.dim + 1)]})
    yield _bad("wrong length", f"/decode?model={model.name}", code, JSON, 422)
    yield _bad("unknown option", f"{path}&no-such-option=1", b'{"inputs": []}', JSON, 422)
    yield _bad("too many items", f"/sample?model={model.name}", b'{"n": 1000000000}', JSON, 422)
    yield _bad("unknown type", path, b"?", "application/x-unknown", 415)
    yield _bad("unknown encoding", path, b"?", JSON, 415, **{"Content-Encoding": "br"})
    yield _bad("bad deadline", path, b"{}", JSON, 400, **{"X-Request-Timeout": "soon"})
    yield _bad("no such answer", path, b"{}", JSON, 406, Accept="text/html")
    if isinstance(model.input, ImageInput):
        yield _bad("no picture", path, b"\x89PNG\r\n\x1a\nand no more", "image/png", 400)
        yield _bad("form without pictures", path, form([b"none"]), FORM, 400)
        yield _bad("form without end", path, form([b"none"])[:-20], FORM, 400)


def _nowhere() -> Iterator[Shot]:
    yield _bad("unknown model", "/encode?model=no-such-model", b"{}", JSON, 404)
    yield _bad("unknown path", "/no-such-path", b"{}", JSON, 404)
    yield _bad("wrong method", "/livez", b"{}", JSON, 405)
    many = {f"X-Field-{i}": "x" for i in range(_FIELDS_OVER_THE_LIMIT)}
    yield Shot("bad: 150 fields", "/livez", frozenset({400, 431}), method="GET", headers=many, refused_early=True)
    long = {"X-Field": "x" * 100_000}
    yield Shot("bad: head of 100 kB", "/livez", frozenset({400, 431}), method="GET", headers=long, refused_early=True)


def _bad(kind: str, path: str, body: bytes, content_type: str, status: int, **headers: str) -> Shot:
    fields = {"Content-Type": content_type, **headers}
    return Shot(f"bad: {kind}", path, frozenset({status}), body=body, headers=fields)
