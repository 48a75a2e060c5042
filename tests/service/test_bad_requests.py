"""Bad requests of every kind: each gets its documented status and problem, and the next good request works."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.wire import JSON, NPY, PNG, base64_text, close, halves, npy, picture, read_json
from tests.support.problems import assert_problem

GREY = [halves(0.5, 0.5)]
CODE = {"z": [[0.0, 0.0]]}


@dataclass(frozen=True)
class Bad:
    """A request, the problem that it must be, and where the value stands that is wrong."""

    name: str
    problem: tuple[int, str]
    path: str
    json: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    files: Any = None
    method: str = "POST"
    loc: list[str | int] | None = None
    says: str = ""

    def send(self, client: httpx.Client) -> httpx.Response:
        return client.request(
            self.method, self.path, json=self.json, content=self.content, headers=self.headers, files=self.files
        )


def huge_png(width: int, height: int) -> bytes:
    """A PNG that is little more than a header: so many pixels announced, none there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def objects() -> bytes:
    """An npy whose data are a pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    return buffer.getvalue()


def with_nan() -> bytes:
    x = np.full((3, 4, 4, 1), 0.5, np.float32)
    x[2, 1, 3, 0] = np.nan
    return npy(x)


NOISE = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
UNREADABLE, SHAPE, DTYPE = (400, "unreadable-body"), (422, "wrong-shape"), (422, "wrong-dtype")
IMAGE, FINITE, RANGE = (400, "unreadable-image"), (422, "not-finite"), (422, "out-of-range")
VALUE, OPTION, LABEL = (422, "invalid-value"), (422, "unknown-option"), (422, "label")
MEDIA, ACCEPT, UNKNOWN = (415, "unsupported-media-type"), (406, "not-acceptable"), (404, "unknown-model")
LENGTH, ITEMS, LARGE = (422, "latent-size-mismatch"), (422, "too-many-items"), (413, "image-too-large")

ENCODE, DECODE = "/encode?model=image", "/decode?model=image"
SAMPLE, MANIFOLD = "/sample?model=image", "/manifold?model=image"
INTERPOLATE, RECONSTRUCT = "/interpolate?model=image", "/reconstruct?model=image"

JSON_BODIES = [
    Bad("empty", UNREADABLE, ENCODE, content=b"", headers=JSON, says="empty"),
    Bad("cut short", UNREADABLE, ENCODE, content=b'{"inputs": [[', headers=JSON, says="line 1"),
    Bad("NaN", UNREADABLE, DECODE, content=b'{"z": [[NaN, 0]]}', headers=JSON, says="NaN and Infinity"),
    Bad("Infinity", UNREADABLE, DECODE, content=b'{"z": [[0, -Infinity]]}', headers=JSON, says="NaN and Infinity"),
    Bad("1e999", UNREADABLE, DECODE, content=b'{"z": [[1e999, 0]]}', headers=JSON),
    Bad("beyond float32", FINITE, DECODE, json={"z": [[0, 1e39]]}, loc=["z", 0, 1]),
    Bad("nested 1000 deep", SHAPE, DECODE, content=b'{"z": ' + b"[" * 1000 + b"1" + b"]" * 1000 + b"}", headers=JSON),
    Bad("nested 10⁵ deep", UNREADABLE, DECODE, content=b'{"z": ' + b"[" * 100_000, headers=JSON),
    Bad(
        "a number of 400 digits",
        UNREADABLE,
        DECODE,
        content=b'{"z": [[1' + b"0" * 400 + b"]]}",
        headers=JSON,
        says="too large",
    ),
    Bad(
        "an option of 400 digits",
        UNREADABLE,
        SAMPLE,
        content=b'{"n": 1' + b"0" * 400 + b"}",
        headers=JSON,
        says="too large",
    ),
    Bad("UTF-16", UNREADABLE, DECODE, content='{"z": [[0, 0]]}'.encode("utf-16"), headers=JSON, says="UTF-16"),
    Bad(
        "half of a surrogate pair", UNREADABLE, SAMPLE, content=b'{"prior": "\\ud800"}', headers=JSON, says="surrogate"
    ),
    Bad("a name twice", VALUE, SAMPLE, content=b'{"n": 1, "n": 2}', headers=JSON, loc=["n"], says="twice"),
    Bad("an array twice", VALUE, DECODE, content=b'{"z": [[0, 0]], "z": [[1, 1]]}', headers=JSON, loc=["z"]),
    Bad("a NUL in a name", OPTION, SAMPLE, json={"n\0": 1}, loc=["n\0"]),
    Bad("a name of 10⁵ letters", OPTION, SAMPLE, json={"n" * 100_000: 1}, loc=["n" * 99 + "…"]),
    Bad("a name of 5000 letters in the query", OPTION, SAMPLE + "&" + "n" * 5000 + "=1", loc=["n" * 99 + "…"]),
    Bad("a label of 10⁵ letters", LABEL, "/decode?model=conditional", json={**CODE, "labels": "n" * 100_000}),
    Bad("no object", VALUE, DECODE, json=[[0, 0]], loc=[]),
    Bad("ragged", SHAPE, DECODE, json={"z": [[0, 0], [0]]}, loc=["z", 1]),
    Bad("text", DTYPE, DECODE, json={"z": [["0", "0"]]}, loc=["z", 0, 0]),
    Bad("booleans", DTYPE, DECODE, json={"z": [[0, True]]}, loc=["z", 0, 1]),
    Bad("null", DTYPE, DECODE, json={"z": [[0, None]]}, loc=["z", 0, 1]),
    Bad("an object for an array", SHAPE, DECODE, json={"z": {"0": 1}}, loc=["z"]),
    Bad("a number for an array", SHAPE, ENCODE, json={"inputs": 5}, loc=["inputs"]),
    Bad("no codes", VALUE, DECODE, json={}, loc=["z"]),
    Bad("codes that are null", VALUE, DECODE, json={"z": None}, loc=["z"]),
    Bad("an empty batch of codes", SHAPE, DECODE, json={"z": []}, loc=["z"]),
    Bad("an empty batch of inputs", VALUE, ENCODE, json={"inputs": []}, loc=["inputs"]),
    Bad("codes of rank 1", SHAPE, DECODE, json={"z": [0, 0]}, loc=["z"]),
    Bad("codes of rank 3", SHAPE, DECODE, json={"z": [[[0, 0]]]}, loc=["z"]),
    Bad("codes too short", LENGTH, DECODE, json={"z": [[0]]}, loc=["z"], says="have 2"),
    Bad("codes too long", LENGTH, DECODE, json={"z": [[0, 0, 0]]}, loc=["z"]),
    Bad("another size", SHAPE, ENCODE, json={"inputs": [[[0.5] * 5] * 5]}, loc=["inputs"]),
    Bad("one item without its batch", SHAPE, ENCODE, json={"inputs": halves(0, 1)}, loc=["inputs"]),
    Bad("another number of channels", SHAPE, ENCODE, json={"inputs": [[[[0.5] * 3] * 4] * 4]}, loc=["inputs"]),
    Bad("a column too few", SHAPE, "/encode?model=vector", json={"inputs": [[1, 2]]}, loc=["inputs"]),
    Bad("a step too many", SHAPE, "/encode?model=sequence", json={"inputs": [[[0, 0]] * 6]}, loc=["inputs"]),
    Bad(
        "above the range", RANGE, ENCODE, json={"inputs": [halves(0, 1), halves(0.5, 255)]}, loc=["inputs", 1, 0, 2, 0]
    ),
    Bad("below the range", RANGE, ENCODE, json={"inputs": [halves(-0.01, 0)]}, loc=["inputs", 0, 0, 0, 0]),
    Bad("neither inputs nor images", VALUE, ENCODE, json={}, loc=["inputs"], says="inputs or images"),
    Bad("inputs and images", VALUE, ENCODE, json={"inputs": GREY, "images": [base64_text(picture(NOISE))]}),
    Bad("z for encode", OPTION, ENCODE, json={"z": [[0, 0]]}, loc=["z"]),
    Bad("inputs for decode", OPTION, DECODE, json={**CODE, "inputs": GREY}, loc=["inputs"]),
    Bad("images for sample", OPTION, SAMPLE, json={"images": []}, loc=["images"]),
    Bad("base64 that is none", IMAGE, ENCODE, json={"images": ["@@@"]}, loc=["images", 0]),
    Bad("base64 of no image", IMAGE, ENCODE, json={"images": [base64_text(b"hello")]}, loc=["images", 0]),
    Bad("images no list", VALUE, ENCODE, json={"images": "x"}, loc=["images"]),
    Bad("no images", VALUE, ENCODE, json={"images": []}, loc=["images"]),
    Bad("images for a table", VALUE, "/encode?model=vector", json={"images": [base64_text(picture(NOISE))]}),
    Bad("too many codes", ITEMS, DECODE, json={"z": [[0, 0]] * 1025}, loc=["z"], says="1025"),
]

NPY_BODIES = [
    Bad("npy: empty", UNREADABLE, ENCODE, content=b"", headers=NPY),
    Bad("npy: JSON", UNREADABLE, ENCODE, content=b'{"inputs": []}', headers=NPY),
    Bad("npy: cut short", UNREADABLE, ENCODE, content=with_nan()[:-5], headers=NPY),
    Bad("npy: bytes too many", UNREADABLE, ENCODE, content=with_nan() + b"x", headers=NPY),
    Bad("npy: a pickle", UNREADABLE, ENCODE, content=pickle.dumps([1, 2]), headers=NPY),
    Bad("npy: objects", DTYPE, ENCODE, content=objects(), headers=NPY),
    Bad("npy: integers", DTYPE, ENCODE, content=npy(np.zeros((1, 4, 4), np.int32)), headers=NPY),
    Bad("npy: complex", DTYPE, DECODE, content=npy(np.zeros((1, 2), np.complex64)), headers=NPY),
    Bad("npy: NaN", FINITE, ENCODE, content=with_nan(), headers=NPY, loc=["inputs", 2, 1, 3, 0]),
    Bad("npy: infinity", FINITE, DECODE, content=npy(np.array([[0, np.inf]])), headers=NPY, loc=["z", 0, 1]),
    Bad("npy: out of range", RANGE, ENCODE, content=npy(np.full((1, 4, 4), 1.5)), headers=NPY),
    Bad("npy: rank 1", SHAPE, ENCODE, content=npy(np.zeros(16)), headers=NPY),
    Bad("npy: rank 0", SHAPE, ENCODE, content=npy(np.zeros(())), headers=NPY),
    Bad("npy: rank 0 for codes", SHAPE, DECODE, content=npy(np.zeros(())), headers=NPY),
    Bad("npy: no rows", VALUE, DECODE, content=npy(np.zeros((0, 2))), headers=NPY),
    Bad("npy: bytes for a table", DTYPE, "/encode?model=vector", content=npy(np.zeros((1, 3), np.uint8)), headers=NPY),
    Bad("npy: bytes for codes", DTYPE, DECODE, content=npy(np.zeros((1, 2), np.uint8)), headers=NPY),
    Bad("npy for sample", MEDIA, SAMPLE, content=npy(np.zeros((1, 2))), headers=NPY),
]

IMAGES = [
    Bad("image: empty", UNREADABLE, ENCODE, content=b"", headers=PNG, says="empty"),
    Bad("image: 10⁹ pixels", LARGE, ENCODE, content=huge_png(40_000, 25_000), headers=PNG, says="too many pixels"),
    Bad("image: 4·10¹⁸ pixels", LARGE, ENCODE, content=huge_png(2**31 - 1, 2**31 - 1), headers=PNG),
    Bad("image: just over 2²⁴ pixels", LARGE, ENCODE, content=huge_png(4096, 4097), headers=PNG),
    Bad("image: 2²⁴ pixels, none there", IMAGE, ENCODE, content=huge_png(4096, 4096), headers=PNG),
    Bad("image: PNG cut short", IMAGE, ENCODE, content=picture(NOISE)[:-100], headers=PNG, loc=["files", 0]),
    Bad("image: PNG header alone", IMAGE, ENCODE, content=picture(NOISE)[:20], headers=PNG),
    Bad("image: JPEG cut short", IMAGE, ENCODE, content=picture(NOISE, "JPEG")[:-500], headers=PNG),
    Bad("image: WebP cut short", IMAGE, ENCODE, content=picture(NOISE, "WEBP")[:-500], headers=PNG),
    Bad("image: GIF as PNG", IMAGE, ENCODE, content=picture(NOISE, "GIF"), headers=PNG),
    Bad("image: BMP as PNG", IMAGE, ENCODE, content=picture(NOISE, "BMP"), headers=PNG),
    Bad("image: text", IMAGE, ENCODE, content=b"hello", headers=PNG),
    Bad("image: GIF", MEDIA, ENCODE, content=picture(NOISE, "GIF"), headers={"Content-Type": "image/gif"}),
    Bad("image for a table", VALUE, "/encode?model=vector", content=picture(NOISE), headers=PNG),
    Bad("image for codes", MEDIA, DECODE, content=picture(NOISE), headers=PNG, says="application/x-npy"),
    Bad("one image for a path", VALUE, INTERPOLATE, content=picture(NOISE), headers=PNG),
    Bad("fit of nothing", VALUE, ENCODE + "&fit=squeeze", content=picture(NOISE), headers=PNG, loc=["fit"]),
]

FORMS = [
    Bad("form: no boundary", UNREADABLE, ENCODE, content=b"x", headers={"Content-Type": "multipart/form-data"}),
    Bad(
        "form: damaged",
        UNREADABLE,
        ENCODE,
        content=b"no parts at all",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    Bad(
        "form: empty", VALUE, ENCODE, content=b"--b--\r\n", headers={"Content-Type": "multipart/form-data; boundary=b"}
    ),
    Bad("form: a text field", OPTION, ENCODE, files={"labels": (None, "1")}, loc=["labels"], says="into the query"),
    Bad("form: nine text fields", OPTION, ENCODE, files={f"f{i}": (None, "1") for i in range(9)}, loc=["f0"]),
    Bad("form: a file without its name", OPTION, ENCODE, files={"f": (None, picture(NOISE))}, says="filename"),
    Bad("form: a broken file", IMAGE, ENCODE, files=[("f", picture(NOISE)), ("f", b"x")], loc=["files", 1]),
    Bad("form: too many files", ITEMS, ENCODE, files=[("f", b"x")] * 1025),
    Bad("form: for a table", VALUE, "/encode?model=vector", files={"f": picture(NOISE)}, loc=["files"]),
]

OPTIONS = [
    Bad("a misspelt option", OPTION, SAMPLE, json={"temprature": 1}, loc=["temprature"], says="temperature"),
    Bad("a misspelt option in the query", OPTION, SAMPLE + "&sede=1", loc=["sede"], says="seed"),
    Bad("an option of another verb", OPTION, ENCODE, json={"inputs": GREY, "steps": 3}, loc=["steps"]),
    Bad("an option of another verb, GET", OPTION, SAMPLE + "&dims=0,1", method="GET", loc=["dims"]),
    Bad("an option twice in the query", VALUE, SAMPLE + "&n=1&n=2", method="GET", loc=["n"], says="twice"),
    Bad("an option in query and body", VALUE, SAMPLE + "&n=1", json={"n": 1}, loc=["n"], says="twice"),
    Bad("a model twice", VALUE, SAMPLE + "&model=rgb", method="GET", loc=["model"]),
    Bad("the model in the body", OPTION, "/sample?model=image", json={"model": "image"}, loc=["model"]),
    Bad("n of 0", VALUE, SAMPLE, json={"n": 0}, loc=["n"]),
    Bad("n too large", ITEMS, SAMPLE, json={"n": 1025}, loc=["n"]),
    Bad("n enormous", ITEMS, SAMPLE, json={"n": 10**18}, loc=["n"]),
    Bad("n no integer", VALUE, SAMPLE, json={"n": "16"}, loc=["n"]),
    Bad("n beyond every integer", VALUE, SAMPLE + "&n=" + "9" * 5000, method="GET", loc=["n"]),
    Bad("a seed below 0", VALUE, SAMPLE, json={"seed": -1}, loc=["seed"]),
    Bad("a seed of 2⁵³", VALUE, SAMPLE, json={"seed": 2**53}, loc=["seed"]),
    Bad("a temperature below 0", VALUE, SAMPLE, json={"temperature": -0.5}, loc=["temperature"]),
    Bad("a temperature that is no number", VALUE, SAMPLE + "&temperature=nan", method="GET", loc=["temperature"]),
    Bad("truncation at 0", VALUE, SAMPLE, json={"truncation": 0}, loc=["truncation"]),
    Bad("truncation below 0", VALUE, SAMPLE, json={"truncation": -1}, loc=["truncation"]),
    Bad("an unknown prior", VALUE, SAMPLE, json={"prior": "gaussian"}, loc=["prior"]),
    Bad("scale of 17", VALUE, SAMPLE + "&scale=17", method="GET", loc=["scale"]),
    Bad("as jpeg", VALUE, DECODE, json={**CODE, "as": "jpeg"}, loc=["as"]),
    Bad("as png where there are no pictures", VALUE, "/decode?model=vector", json={**CODE, "as": "png"}, loc=["as"]),
    Bad("sample of a deterministic code", VALUE, "/encode?model=vector", json={"inputs": [[1, 2, 3]], "sample": True}),
    Bad("one step", VALUE, INTERPOLATE, json={"z": [[0, 0], [1, 1]], "steps": 1}, loc=["steps"]),
    Bad("steps beyond the limit", ITEMS, INTERPOLATE, json={"z": [[0, 0], [1, 1]], "steps": 1025}, loc=["steps"]),
    Bad("steps enormous", ITEMS, INTERPOLATE, json={"z": [[0, 0], [1, 1]], "steps": 10**15}, loc=["steps"]),
    Bad("one waypoint", VALUE, INTERPOLATE, json={"z": [[0, 0]]}, loc=["z"], says="two waypoints"),
    Bad("no waypoint", VALUE, INTERPOLATE, json={}, loc=["z"]),
    Bad("a frame in a thousand years", VALUE, f"{INTERPOLATE}&fps=1e-9", json={"z": [[0, 0], [1, 1]]}, loc=["fps"]),
    Bad("codes and inputs", VALUE, INTERPOLATE, json={"z": [[0, 0]] * 2, "inputs": GREY * 2}),
    Bad("codes in data space", VALUE, INTERPOLATE, json={"z": [[0, 0], [1, 1]], "space": "data"}, loc=["z"]),
    Bad("arcs in data space", VALUE, INTERPOLATE, json={"inputs": GREY * 2, "space": "data", "method": "slerp"}),
    Bad("51 frames a second", VALUE, INTERPOLATE, json={"z": [[0, 0], [1, 1]], "fps": 51}, loc=["fps"]),
    Bad("threshold and quantile", VALUE, RECONSTRUCT, json={"inputs": GREY, "threshold": 1, "quantile": 0.5}),
    Bad("a quantile above 1", VALUE, RECONSTRUCT, json={"inputs": GREY, "quantile": 1.01}, loc=["quantile"]),
    Bad("a manifold of 65", VALUE, MANIFOLD + "&n=65", method="GET", loc=["n"]),
    Bad("extent with quantiles", VALUE, MANIFOLD + "&extent=3", method="GET", loc=["extent"]),
    Bad("low with linear", VALUE, MANIFOLD + "&spacing=linear&low=0.1", method="GET", loc=["low"]),
    Bad("low of ½", VALUE, MANIFOLD + "&low=0.5", method="GET", loc=["low"]),
    Bad("a dimension that is not there", VALUE, MANIFOLD + "&dims=0,2", method="GET", loc=["dims"]),
    Bad("a dimension below 0", VALUE, MANIFOLD + "&dims=-1,0", method="GET", loc=["dims"]),
    Bad("a dimension twice", VALUE, MANIFOLD + "&dims=1,1", method="GET", loc=["dims"]),
    Bad("three dimensions", VALUE, "/manifold?model=sequence&dims=0,1,2", method="GET", loc=["dims"]),
    Bad("a fixed code too long", LENGTH, MANIFOLD + "&z=0,0,0", method="GET", loc=["z"]),
    Bad("a fixed code that is no number", VALUE, MANIFOLD + "&z=0,inf", method="GET", loc=["z", 1]),
]

LABELS = [
    Bad("labels where there are none", LABEL, ENCODE, json={"inputs": GREY, "labels": [0]}, loc=["labels"]),
    Bad("target labels where there are none", LABEL, RECONSTRUCT, json={"inputs": GREY, "target_labels": 0}),
    Bad("a label where there are none", LABEL, MANIFOLD + "&label=one", method="GET", loc=["label"]),
    Bad("no label for encode", LABEL, "/encode?model=conditional", json={"inputs": GREY}, loc=["labels"]),
    Bad("no label for reconstruct", LABEL, "/reconstruct?model=conditional", json={"inputs": GREY}, loc=["labels"]),
    Bad("no label for decode", LABEL, "/decode?model=conditional", json=CODE, loc=["labels"], says="conditional"),
    Bad("no label for sample", LABEL, "/sample?model=conditional", method="GET", loc=["labels"]),
    Bad("no label for manifold", LABEL, "/manifold?model=conditional", method="GET", loc=["label"]),
    Bad("no label for interpolate", LABEL, "/interpolate?model=conditional", json={"z": [[0, 0], [1, 1]]}),
    Bad("an unknown name", LABEL, "/decode?model=conditional", json={**CODE, "labels": "three"}, says="three"),
    Bad("an index as text", LABEL, "/decode?model=conditional", json={**CODE, "labels": "1"}, loc=["labels"]),
    Bad("an index too large", LABEL, "/decode?model=conditional", json={**CODE, "labels": [3]}, loc=["labels"]),
    Bad("an index below 0", LABEL, "/decode?model=conditional", json={**CODE, "labels": -1}, loc=["labels"]),
    Bad("a name in the query", LABEL, "/sample?model=conditional&labels=three", method="GET", loc=["labels"]),
    Bad("an index in the query", LABEL, "/sample?model=conditional&labels=" + "9" * 5000, method="GET"),
    Bad("the second label", LABEL, "/sample?model=conditional", json={"n": 2, "labels": [0, 7]}, loc=["labels", 1]),
    Bad("too few labels", LABEL, "/sample?model=conditional", json={"n": 3, "labels": [0, 1]}, loc=["labels"]),
    Bad("no labels in a list", LABEL, "/sample?model=conditional", json={"labels": []}, loc=["labels"]),
    Bad("half a label", VALUE, "/sample?model=conditional", json={"labels": [0.5]}, loc=["labels", 0]),
]

ADDRESSES = [
    Bad("an unknown model", UNKNOWN, "/decode?model=imag", json=CODE, says="image"),
    Bad("an unknown version", UNKNOWN, "/decode?model=image@2", json=CODE, says="it has 1"),
    Bad("an unknown alias", UNKNOWN, "/decode?model=image@staging", json=CODE, says="latest"),
    Bad("a version of 0", UNKNOWN, "/decode?model=image@0", json=CODE),
    Bad("a version beyond every integer", UNKNOWN, "/decode?model=image@" + "9" * 5000, json=CODE),
    Bad("a name that is none", UNKNOWN, "/decode?model=../etc/passwd", json=CODE, says="no model name"),
    Bad("an empty name", UNKNOWN, "/decode?model=", json=CODE),
    Bad("a name of 5000 letters", UNKNOWN, "/decode?model=" + "a" * 5000, json=CODE),
    Bad("no name among several", (422, "model-not-determined"), "/decode", json=CODE, says="plain-vector"),
    Bad("an unknown model's page", UNKNOWN, "/models/imge", method="GET", says="image"),
    Bad("a version that is no number", UNKNOWN, "/models/image/versions/one", method="GET"),
    Bad("a version that is not there", UNKNOWN, "/models/image/versions/7", method="GET"),
    Bad("a figure that is not there", (404, "not-found"), "/models/image/versions/1/report/x.png", method="GET"),
    Bad("a way out of the report", (404, "not-found"), "/models/image/versions/1/report/..%2Fgolden.npz", method="GET"),
    Bad("an unknown path", (404, "not-found"), "/encoder", json=CODE),
    Bad("a path that ends in a slash", (404, "not-found"), "/encode/", json=CODE),
    Bad("an unknown problem", (404, "not-found"), "/problems/no-such", method="GET"),
]

HEADERS = [
    Bad("no type", MEDIA, ENCODE, content=b"x", says="application/json"),
    Bad("an unknown type", MEDIA, ENCODE, content=b"x", headers={"Content-Type": "text/plain"}, says="image/png"),
    Bad("a form of text", MEDIA, ENCODE, content=b"n=1", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Bad("gzip", MEDIA, ENCODE, content=b"x", headers={**JSON, "Content-Encoding": "gzip"}, says="identity"),
    Bad("an Accept that cannot be met", ACCEPT, ENCODE, json={"inputs": GREY}, headers={"Accept": "image/png"}),
    Bad("text wanted", ACCEPT, DECODE, json=CODE, headers={"Accept": "text/html"}, says="application/x-npz"),
    Bad("a GIF of a sheet", ACCEPT, DECODE, json=CODE, headers={"Accept": "image/gif"}),
    Bad("a picture of a table", ACCEPT, "/decode?model=vector", json=CODE, headers={"Accept": "image/png"}),
    Bad("a PNG of a table, GET", ACCEPT, "/sample?model=vector", method="GET", headers={"Accept": "image/png"}),
    Bad("a JPEG", ACCEPT, SAMPLE, method="GET", headers={"Accept": "image/jpeg"}, says="image/png"),
    *(
        Bad(f"a deadline of {text!r}", (400, "bad-header"), DECODE, json=CODE, headers={"X-Request-Timeout": text})
        for text in ("soon", "", "0", "-1", "nan", "inf", "1s")
    ),
    Bad("no time at all", (504, "deadline-exceeded"), DECODE, json=CODE, headers={"X-Request-Timeout": "0.000000001"}),
]

REQUESTS = [*JSON_BODIES, *NPY_BODIES, *IMAGES, *FORMS, *OPTIONS, *LABELS, *ADDRESSES, *HEADERS]


def test_there_are_more_than_a_hundred_kinds() -> None:
    assert len({bad.name for bad in REQUESTS}) == len(REQUESTS) > 100


@pytest.mark.parametrize("bad", REQUESTS, ids=lambda bad: bad.name)
def test_a_bad_request_gets_the_documented_answer_and_the_next_good_one_works(either: httpx.Client, bad: Bad) -> None:
    body = assert_problem(bad.send(either), *bad.problem)
    if bad.loc is not None:
        assert body["errors"][0]["loc"] == bad.loc
    assert bad.says in body["detail"]
    close(
        read_json(either.post(DECODE, json={"z": [[-2, 2]]}))["outputs"], [[[[v] for v in row] for row in halves(0, 1)]]
    )


METHODS = [
    ("DELETE", "/encode", "POST"),
    ("GET", "/encode", "POST"),
    ("PUT", "/decode", "POST"),
    ("PATCH", "/sample", "GET, HEAD, POST"),
    ("DELETE", "/manifold", "GET, HEAD"),
    ("POST", "/models", "GET, HEAD"),
    ("DELETE", "/models/image", "GET, HEAD"),
    ("DELETE", "/models/image/versions/1", "GET, HEAD"),
    ("POST", "/livez", "GET, HEAD"),
    ("POST", "/metrics", "GET, HEAD"),
    ("POST", "/openapi.json", "GET, HEAD"),
    ("POST", "/docs", "GET, HEAD"),
    ("POST", "/", "GET, HEAD"),
    ("OPTIONS", "/encode", "POST"),
]


@pytest.mark.parametrize(("method", "path", "allowed"), METHODS)
def test_a_method_that_does_not_work_names_all_that_do(
    either: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = either.request(method, path)
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/nothing", "/encode", "/sample?model=image&n=0"])
def test_head_of_an_error_is_its_status_without_a_body(either: httpx.Client, path: str) -> None:
    response = either.head(path)
    assert response.content == b""
    assert response.status_code == either.get(path).status_code >= 400
