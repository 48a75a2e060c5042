"""One corpus of requests, good and bad, as bytes: `CORPUS` by name. Whoever answers them, the answers are the same.

Every seed is fixed: what the service draws at random is in `DRAWN`. What it measures is left out (the memory of a
version, its metrics).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from tests.service.test_bad_requests import METHODS, REQUESTS
from tests.service.wire import halves, npy, picture
from tests.support.affine import AFFINE
from tests.support.raw_http import request

MAX_BODY_BYTES = 2_000_000
"""The services' limit for this corpus: above what the fast path reads itself, and small enough to be passed."""

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """Bytes to send, and how many answers they get."""

    name: str
    pieces: tuple[bytes, ...]
    """The service has read each of them before the next is sent."""
    answers: int = 1
    to_head: bool = False
    """Whether it is a HEAD request: its answer has no body."""
    late: bool = False
    """Whether each piece comes after longer than the fast path waits for a body."""
    alone: bool = False
    """Whether nothing can follow on its connection, for the request is never whole."""


# -- building ----------------------------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
ACCEPTS = {
    "nothing": {},
    "an empty Accept": {"Accept": ""},
    **{
        accept: {"Accept": accept}
        for accept in (
            "application/json",
            "application/x-npy",
            "application/x-npz",
            "image/png",
            "image/gif",
            "image/webp",
            "image/*",
            "application/*",
            "*/*",
            BROWSER,
            "application/json;q=0.1, application/x-npy;q=0.9",
            "application/json;q=0, */*;q=0.5",
            "application/x-npz;q=2, application/json;q=x",
            "application/json;q=0",
            "text/html",
            "no type at all",
        )
    },
}

IMAGE_JSON = {"inputs": [halves(0.25, 0.75), halves(0, 1)]}
CODES_JSON = {"z": [[0.5, -1.25], [2, 0]]}
GREYS = np.array([[0, 50, 200, 255]] * 4, np.uint8)


def get(name: str, path: str, headers: Headers | None = None, method: str = "GET") -> Case:
    """A request without a body."""
    data = request(path, method=method, content_type=None, headers=headers)
    return Case(f"{method} {name}", (data,), to_head=method == "HEAD")


def post(name: str, path: str, body: bytes, content_type: str | None, headers: Headers | None = None) -> Case:
    """A request with a body."""
    return Case(f"POST {name}", (request(path, body, content_type=content_type, headers=headers),))


def post_json(name: str, path: str, document: Mapping[str, Any], headers: Headers | None = None) -> Case:
    """A request with a JSON body."""
    return post(name, path, json.dumps(document).encode(), "application/json", headers)


def form(*files: bytes) -> bytes:
    """Files as multipart/form-data with the boundary `b`."""
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    return b"".join(head + file + b"\r\n" for file in files) + b"--b--\r\n"


FORM = "multipart/form-data; boundary=b"


# -- verbs, models and types -------------------------------------------------------------------------------


def _inputs(model: str, n: int) -> Any:  # noqa: ANN401 - nested lists of numbers
    affine = AFFINE[model]
    x = np.random.default_rng(n).random((n, *affine.input.shape), np.float32)
    return (x * (2.0, 4.0, 5.0) + (10.0, 20.0, 30.0) if model == "vector" else x).tolist()


def _every_model() -> Iterator[Case]:
    """Every verb of every kind of model."""
    for model, affine in sorted(AFFINE.items()):
        labels = {"labels": "one"} if affine.input.conditional else {}
        in_query = "&labels=one" if labels else ""
        z = np.random.default_rng(3).normal(size=(3, affine.latent.dim)).tolist()
        bodies: dict[str, dict[str, Any]] = {
            "encode": {"inputs": _inputs(model, 5)},
            "decode": {"z": z},
            "reconstruct": {"inputs": _inputs(model, 2)},
            "interpolate": {"z": z, "steps": 3},
            "sample": {"n": 4, "seed": 11},
        }
        for verb, body in bodies.items():
            yield post_json(f"{verb} of {model}", f"/{verb}?model={model}", {**body, **labels})
        yield post_json(
            f"a path of {model}'s inputs", f"/interpolate?model={model}", {"inputs": _inputs(model, 2), **labels}
        )
        yield post_json(
            f"a path of {model}'s data", f"/interpolate?model={model}", {"inputs": _inputs(model, 2), "space": "data"}
        )
        yield get(f"sample of {model}", f"/sample?model={model}&n=3&seed=5{in_query}")
        label = "&label=two" if labels else ""
        yield get(f"manifold of {model}", f"/manifold?model={model}&n=3{label}")


def _every_accept() -> Iterator[Case]:
    bodies: dict[str, dict[str, Any]] = {
        "encode": IMAGE_JSON,
        "decode": CODES_JSON,
        "reconstruct": IMAGE_JSON,
        "interpolate": {**CODES_JSON, "steps": 3},
        "sample": {"n": 2, "seed": 1},
    }
    for name, headers in ACCEPTS.items():
        for verb, body in bodies.items():
            yield post_json(f"{verb} as {name}", f"/{verb}?model=image", body, headers)
        yield post_json(f"decode a table as {name}", "/decode?model=vector", CODES_JSON, headers)
        yield get(f"sample as {name}", "/sample?model=image&n=2&seed=1", headers)
        yield get(f"manifold as {name}", "/manifold?model=rgb&n=2", headers)
        yield get(f"sample a table as {name}", "/sample?model=vector&n=2&seed=1", headers)
        yield get(f"map as {name}", "/models/image/map?items=5", headers)


def _every_body() -> Iterator[Case]:
    encode = "/encode?model=image"
    pixels = np.array([halves(0.25, 0.5), halves(0.5, 0.75)])
    for dtype in ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8"):
        for order in ("C", "F"):
            body = npy(pixels.astype(dtype, order="F" if order == "F" else "C"))
            yield post(f"npy of {dtype} in {order}", encode, body, "application/x-npy")
    yield post("npy of bytes", encode, npy(GREYS[None]), "application/x-npy")
    yield post(
        "npy with channels", encode, npy(pixels[..., None]), "application/x-npy", {"Accept": "application/x-npy"}
    )
    yield post("npy of codes", "/decode?model=image", npy(np.array([[0.5, 1]])), "application/x-npy")
    yield post("npy of waypoints", "/interpolate?model=image&steps=3", npy(np.eye(2)), "application/x-npy")
    yield post("npy of 70 items", encode, npy(np.resize(pixels, (70, 4, 4))), "application/x-npy")
    large = npy(np.resize(pixels.astype(np.float64), (1000, 4, 4)))
    yield post("npy of 128 kB", encode, large, "application/x-npy")
    yield post("npy, large answer", "/decode?model=rgb", npy(np.zeros((1024, 2))), "application/x-npy")
    for kind, content_type in (("PNG", "png"), ("JPEG", "jpeg"), ("JPEG", "jpg"), ("WEBP", "webp")):
        body = picture(np.kron(GREYS, np.ones((4, 4))), kind)
        yield post(f"{kind} as {content_type}", encode, body, f"image/{content_type}")
    png = picture(GREYS)
    yield post("a picture, reconstructed as one", "/reconstruct?model=image", png, "image/png", {"Accept": "image/png"})
    yield post("a picture with options", encode + "&fit=stretch&invert=true", png, "image/png")
    yield post("a large picture", encode, picture(np.zeros((1000, 1000))), "image/png")
    yield post("a form", encode, form(png, picture(GREYS[:, ::-1], "WEBP")), FORM)
    yield post("a form with a charset that is none", encode, form(png), FORM + "; charset=undefined")
    yield post("a form with a preamble", encode, b"preamble\r\n" + form(png) + b"epilogue", FORM)
    unnamed = form(png).replace(b'; filename="a.png"', b"")
    yield post("a form whose file has no name", encode, unnamed, FORM)
    text = form(b"1").replace(b'; filename="a.png"', b"").replace(b"image/png", b"text/plain")
    yield post("a form of text", encode, text, FORM)
    yield post("a form of a megabyte", encode, form(*[picture(np.zeros((600, 600))).ljust(400_000)] * 3), FORM)
    yield post("a form, reconstructed", "/reconstruct?model=rgb&scale=2", form(png), FORM, {"Accept": "image/png"})
    texts = [base64.b64encode(png).decode(), "data:image/png;base64," + base64.b64encode(png).decode()]
    yield post_json("base64", encode, {"images": texts, "invert": True})
    yield post_json(
        "base64 waypoints", "/interpolate?model=image", {"images": texts, "steps": 4}, {"Accept": "image/gif"}
    )
    body = json.dumps(CODES_JSON).encode()
    for content_type in (
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        " application/json ;q=1",
        "text/json",
        "",
    ):
        yield post(f"JSON as {content_type!r}", "/decode?model=image", body, content_type)
    yield post("JSON in UTF-16", "/decode?model=image", json.dumps(CODES_JSON).encode("utf-16"), "application/json")
    marked = b'\xef\xbb\xbf{"n": 2, "seed": 1}'
    yield post("options after a byte order mark", "/sample?model=image", marked, "application/json")
    yield post("JSON after a byte order mark", "/decode?model=image", b"\xef\xbb\xbf" + body, "application/json")
    yield post("JSON of 600 kB", "/decode?model=image", body.ljust(600_000), "application/json")
    yield post("JSON of 1.5 MB", "/decode?model=image", body.ljust(1_500_000), "application/json")
    yield post("JSON of just the limit", "/decode?model=image", body.ljust(MAX_BODY_BYTES), "application/json")
    yield post("JSON over the limit", "/decode?model=image", body.ljust(MAX_BODY_BYTES + 1), "application/json")
    yield post("nothing at all to sample", "/sample?model=image&seed=3", b"", None)
    yield post("nothing at all to encode", encode, b"", None)
    yield post("a type and no body", "/sample?model=image&seed=3", b"", "application/json")
    for encoding in ("identity", "IDENTITY", "gzip", "br, identity", ""):
        yield post_json(f"in {encoding!r}", "/decode?model=image", CODES_JSON, {"Content-Encoding": encoding})


def _every_option() -> Iterator[Case]:
    decode, sample = "/decode?model=image", "/sample?model=image&seed=2"
    for where in ("&as=png&scale=3", "&as=png", "&scale=2"):
        yield post_json(f"decode{where}", decode + where, CODES_JSON)
        yield post_json(f"decode{where} as a picture", decode + where, CODES_JSON, {"Accept": "image/png"})
        yield get(f"manifold{where}", "/manifold?model=image&n=2" + where, {"Accept": "application/json"})
    yield post_json("as png in the body", decode, {**CODES_JSON, "as": "png", "scale": 2})
    yield post_json("reconstruct as png", "/reconstruct?model=image", {**IMAGE_JSON, "as": "png"})
    for scores in ("threshold=0.01", "quantile=0.5", "error_map=true", "threshold=0&error_map=true"):
        path = f"/reconstruct?model=image&{scores}"
        yield post_json(f"reconstruct with {scores}", path, IMAGE_JSON)
        yield post_json(f"reconstruct to npz with {scores}", path, IMAGE_JSON, {"Accept": "application/x-npz"})
    body = {**IMAGE_JSON, "quantile": 0.9, "error_map": True}
    yield post_json("reconstruct with scores in the body", "/reconstruct?model=image", body)
    for labels in (0, "two", [0, "one"], ["two"]):
        body = {"inputs": [halves(0.5, 0.5)] * 2, "labels": labels}
        yield post_json(f"encode labels {labels}", "/encode?model=conditional", body)
        targets = {**body, "target_labels": "zero"}
        yield post_json(f"reconstruct labels {labels}", "/reconstruct?model=conditional", targets)
    for query in ("labels=one,2", "labels=one&labels=2", "labels=1,%20two"):
        yield post_json(f"decode with {query}", f"/decode?model=conditional&{query}", CODES_JSON)
    for seed in (0, 7, 2**53 - 1):
        drawn = {**IMAGE_JSON, "sample": True, "seed": seed}
        yield post_json(f"a posterior's draw with the seed {seed}", "/encode?model=image", drawn)
        yield get(f"with the seed {seed}", f"/sample?model=image&seed={seed}")
    options: list[dict[str, Any]] = [{"temperature": 0.5}, {"truncation": 1.5}, {"prior": "fitted"}, {"n": 70}]
    for option in options:
        yield post_json(f"sample with {option}", sample, option)
    yield post_json("a table by the standard prior", "/sample?model=vector&seed=1", {"prior": "standard"})
    for method in ("auto", "lerp", "slerp"):
        yield post_json(f"a path by {method}", "/interpolate?model=image", {**CODES_JSON, "method": method, "steps": 5})
    for media_type in ("image/gif", "image/webp"):
        moving = {**CODES_JSON, "steps": 4, "fps": 5, "scale": 2}
        yield post_json(f"{media_type} at 5 a second", "/interpolate?model=image", moving, {"Accept": media_type})
    for query in ("spacing=linear&extent=2", "low=0.1", "dims=1", "dims=1,0", "dims=1&z=2,0", "n=64"):
        yield get(f"manifold with {query}", f"/manifold?model=image&{query}")
    for reference in ("image@1", "image@latest", "image%401", "image@production"):
        yield post_json(f"the model {reference}", f"/decode?model={reference}", CODES_JSON)
        yield get(f"the model {reference}", f"/sample?model={reference}&seed=1&n=1")


def _every_header() -> Iterator[Case]:
    paths = {"/decode?model=image": CODES_JSON, "/decode?model=imag": CODES_JSON, "/nowhere": CODES_JSON}
    ids = ("a", "0" * 128, "trace/7:child=2", "!~", "", "0" * 129, "two words", "tab\there", "\xe4")
    for number, given in enumerate(ids):
        for path, body in paths.items():
            yield post_json(f"id {number} at {path}", path, body, {"X-Request-ID": given})
        yield get(f"id {number}", "/sample?model=image&seed=1&n=1", {"X-Request-ID": given})
    timeouts = ("5", "1e9", "50.5", " 5 ", "1_0", "+5", "5,6", "0x5", "0", "-1", "nan", "inf", "soon", "", "\xb2")
    for timeout in timeouts:
        for path in ("/decode?model=image", "/decode?model=imag", "/decode?model=a&model=b"):
            yield post_json(f"{timeout!r} seconds at {path}", path, CODES_JSON, {"X-Request-Timeout": timeout})
        yield get(f"{timeout!r} seconds", "/sample?model=image&seed=1&n=1", {"X-Request-Timeout": timeout})
    for tag in ("*", '"a"', 'W/"a", "b"', "no tag", ""):
        for path in (
            "/sample?model=image&seed=1&n=1",
            "/manifold?model=image@1&n=2",
            "/models/image/map",
            "/problems",
            "/",
        ):
            yield get(f"If-None-Match {tag} at {path}", path, {"If-None-Match": tag})
        yield post_json(f"If-None-Match {tag}", "/sample?model=image&seed=1", {}, {"If-None-Match": tag})
    others = {
        "Origin": "https://elsewhere.example",
        "Range": "bytes=0-3",
        "If-Match": '"a"',
        "Authorization": "Bearer key",
        "Accept-Encoding": "gzip, br",
        "X-Forwarded-Proto": "https",
        "TE": "trailers",
        "Connection": "close",
    }
    for name, value in others.items():
        yield post_json(f"with {name}", "/decode?model=image", CODES_JSON, {name: value})
        yield get(f"with {name}", "/sample?model=image&seed=1&n=1", {name: value})


# -- paths and methods -------------------------------------------------------------------------------------

PAGES = (
    "/",
    "/livez",
    "/readyz",
    "/models/imago",
    "/models/vector/map?inputs=false",
    "/models/image/versions/1/map",
    "/models/image/versions/1/report/index.html",
    "/openapi.json",
    "/docs",
    "/problems",
    "/problems/label",
    "/explorer/main.js",
    "/explorer/nothing.js",
    "/sample?model=image&seed=1",
    "/manifold?model=image&n=2",
    "/sample?model=image&n=0",
    "/encode?model=image",
    "/nothing",
)


def _every_path() -> Iterator[Case]:
    for path in PAGES:
        yield get(path, path)
        yield get(path, path, method="HEAD")
    for method in ("OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        for path in ("/decode?model=image", "/sample", "/models", "/nothing"):
            yield get(path, path, method=method)
    yield post_json("reload without a key", "/models/image/reload", {})
    for path in (
        "/decode/?model=image",
        "//decode?model=image",
        "/./decode?model=image",
        "/dec%6fde?model=image",
        "/decode%3Fmodel=image",
        "/decode%00?model=image",
        "/decode;a=1?model=image",
        "/Decode?model=image",
        "/decode?model=image#part",
        "/decode#?model=image",
        "/decode?model=image?",
        "/decode?",
        "/decode?&&model=image&",
        "/decode?model=image&=1",
        "/decode?model=image&a",
        "/decode?model=im%61ge",
        "/decode?model=image+",
        "/decode?model=%ff",
        "/decode?model=image&%e4=1",
        "http://x/decode?model=image",
        "http://x:1/decode?model=image",
        "/latent/decode?model=image",
        "x",
        "*",
        "",
    ):
        yield post_json(f"to {path}", path, CODES_JSON)
    for number in (*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x81), 0xA0, 0xE4, 0xFF):
        sign = chr(number)
        yield post_json(f"with {sign!a} in the query", f"/decode?model=image{sign}", CODES_JSON)
        yield post_json(f"with {sign!a} in the path", f"/decode{sign}?model=image", CODES_JSON)


# -- bytes that a library would not send -------------------------------------------------------------------

BODY = json.dumps(CODES_JSON).encode()
HEAD = b"POST /decode?model=image HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
REFUSED = request("/decode?model=image", b'{"z": [[0]]}')
LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n"


def with_fields(fields: bytes, body: bytes = BODY, head: bytes = HEAD) -> bytes:
    """A posted code with more in its head; every line of `fields` ends with CR LF."""
    return head + fields + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def _pieces_of_requests() -> Iterator[Case]:
    for cut in (1, 10, 60, len(HEAD), len(WHOLE) - len(BODY) - 2, len(WHOLE) - len(BODY), len(WHOLE) - 5):
        yield Case(f"cut after {cut} bytes", (WHOLE[:cut], WHOLE[cut:]))
        yield Case(f"refused, cut after {cut} bytes", (REFUSED[:cut], REFUSED[cut:]))
    yield Case("a byte of the body at a time", (WHOLE[:-3], WHOLE[-3:-2], WHOLE[-2:-1], WHOLE[-1:]))
    unknown = WHOLE.replace(b"model=image", b"model=imago")
    yield Case("an unknown model, cut in the body", (unknown[:-5], unknown[-5:]))
    untyped = WHOLE.replace(b"application/json", b"text/plain")
    yield Case("an unknown type, cut in the body", (untyped[:-5], untyped[-5:]))
    for name, body in (("good", BODY), ("refused", b"[]"), ("no JSON", b"{"), ("none", b" ")):
        whole = with_fields(b"", body)
        yield Case(f"late: {name}", (whole[: -len(body)], body), late=True)
    yield Case("late: another model", (unknown[:-5], unknown[-5:]), late=True)
    yield Case("late: in chunks", (CHUNKED, chunks(BODY[:9], end=b""), chunks(BODY[9:])), late=True)
    yield Case("late: pipelined", (WHOLE + WHOLE[:-5], WHOLE[-5:] + LIVE), 3, late=True)
    large = request("/decode?model=image", BODY.ljust(1_200_000))
    yield Case("1.2 MB, cut", (large[:700_000], large[700_000:]))
    yield Case("chunks at once", (CHUNKED + chunks(BODY),))
    yield Case("a chunk for each byte", (CHUNKED + chunks(*(bytes([byte]) for byte in BODY)),))
    yield Case("chunks in pieces", (CHUNKED, chunks(BODY[:9], end=b""), chunks(BODY[9:])))
    yield Case("chunks, refused", (CHUNKED + chunks(b"[]"),))
    yield Case("no chunk but the last", (CHUNKED + chunks(),))
    yield Case("chunks of text", (CHUNKED.replace(b"application/json", b"text/plain") + chunks(BODY),))
    yield Case("a chunk with an extension", (CHUNKED + b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),))
    yield Case("chunks with trailers", (CHUNKED + chunks(BODY, end=b"0\r\nX-Request-Timeout: no\r\n\r\n"),))
    yield Case("chunks over the limit", (CHUNKED + chunks(b" " * MAX_BODY_BYTES, b" "),))
    yield Case("announced over the limit", (HEAD + b"Content-Length: 1000000000000\r\n\r\n",))
    yield Case("a chunk whose size is none", (CHUNKED + b"x\r\n",))
    yield Case("a chunk whose size is none, later", (CHUNKED + chunks(BODY, end=b""), b"x\r\n"))
    yield Case("a chunk that is longer than it says", (CHUNKED + b"1\r\n" + BODY,))
    unknown = CHUNKED.replace(b"model=image", b"model=imago")
    yield Case("an unknown model with a chunk whose size is none", (unknown + b"x\r\n",))


def _pipelines() -> Iterator[Case]:
    bad = WHOLE.replace(b"/decode", b"/nowhere")
    chunked = CHUNKED + chunks(BODY)
    parts = {"good": WHOLE, "refused": REFUSED, "unknown": bad, "live": LIVE, "chunked": chunked}
    for first, before in parts.items():
        for second, after in parts.items():
            yield Case(f"pipelined: {first}, {second}", (before + after,), 2)
    yield Case("pipelined: twenty", (b"".join(parts.values()) * 4,), 20)
    yield Case("pipelined: half of the second", (WHOLE + WHOLE[:-5], WHOLE[-5:]), 2)
    yield Case("pipelined: half of the third", (LIVE + WHOLE + WHOLE[:30], WHOLE[30:]), 3)
    yield Case(
        "pipelined: a large one between", (WHOLE + request("/decode?model=image", BODY.ljust(200_000)) + LIVE,), 3
    )
    yield Case("pipelined: what is no HTTP", (WHOLE + b"nonsense\r\n\r\n",), 2)
    yield Case("pipelined: what is no HTTP, and more", (WHOLE + LIVE + b"nonsense\r\n\r\n" + WHOLE,), 3)
    yield Case("pipelined: a body that is longer than it says", (WHOLE + b"  }",), 2)
    many = HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(200)) + b"\r\n"
    yield Case("pipelined: too many fields", (WHOLE + many,), 2)
    yield Case("pipelined: an Upgrade", (WHOLE + with_fields(H2C) + WHOLE,), 3)
    yield Case("pipelined: a close", (WHOLE + with_fields(b"Connection: close\r\n") + WHOLE,), 2)
    yield Case("pipelined: an empty line between", (WHOLE + b"\r\n" + WHOLE,), 2)


def _unusual_heads() -> Iterator[Case]:
    expect = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    yield Case("Expect, and waiting", (expect, BODY), 2)
    yield Case("Expect, not waiting", (expect + BODY,), 2)
    yield Case("Expect in capitals", (expect.replace(b"100-continue", b"100-Continue") + BODY,), 2)
    yield Case("Expect in chunks", (CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n", chunks(BODY)), 2)
    yield Case("Expect of a model that is unknown", (expect.replace(b"image", b"imago"),), alone=True)
    yield Case("Expect of a type that is unknown", (expect.replace(b"application/json", b"text/plain"),), alone=True)
    yield Case("Expect of too much", (HEAD + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",), alone=True)
    yield Case("Expect of something else", (with_fields(b"Expect: wonders\r\n"),))
    yield Case("Expect without a body", (b"GET /livez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",))
    old = WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0")
    yield Case("HTTP/1.0", (old,))
    yield Case("HTTP/1.0, refused", (REFUSED.replace(b"HTTP/1.1", b"HTTP/1.0"),))
    yield Case("HTTP/1.0, kept alive", (with_fields(b"Connection: keep-alive\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),))
    yield Case("HTTP/1.0, GET", (LIVE.replace(b"HTTP/1.1", b"HTTP/1.0"),))
    for version in (b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"HTTP/3", b"HTTQ/1.1", b""):
        yield Case(f"version {version.decode()}", (WHOLE.replace(b"HTTP/1.1", version),))
    yield Case("h2c", (with_fields(H2C),))
    yield Case("h2c, refused", (with_fields(H2C, b"[]"),))
    yield Case("h2c, its body later", (with_fields(H2C)[: -len(BODY)], BODY))
    yield Case("h2c in chunks", (CHUNKED[:-2] + H2C + b"\r\n" + chunks(BODY),))
    yield Case("h2c, GET", (LIVE[:-2] + H2C + b"\r\n",))
    yield Case("websocket", (LIVE[:-2] + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",))
    yield Case("CONNECT", (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",))
    for method in (b"post", b"FOO", b"GET POST", b""):
        yield Case(f"method {method.decode()!r}", (WHOLE.replace(b"POST", method, 1),))
    for host in (b"", b"Host:\r\n", b"Host: x\r\nHost: y\r\n"):
        yield Case(f"host {host.decode()!r}", (WHOLE.replace(b"Host: x\r\n", host),))
    fields = {
        "in capitals": b"ACCEPT: APPLICATION/X-NPY\r\n",
        "in small letters": b"accept: application/x-npy\r\n",
        "with blanks around": b"Accept: \t application/x-npy \t \r\n",
        "folded": b"Accept: application/json,\r\n application/x-npy\r\n",
        "without a colon": b"Accept\r\n",
        "without a name": b": a\r\n",
        "with a blank before its colon": b"Accept : application/x-npy\r\n",
        "with a name that is none": b"Acc(ept: a\r\n",
        "with a NUL": b"Accept: a\0b\r\n",
        "with a bare CR": b"Accept: a\rb\r\n",
        "with a bare LF": b"Accept: application/x-npy\n",
        "with bytes above 127": b"Accept: \xc3\xa4/\xff\r\n",
        "empty": b"Accept:\r\n",
        "twice": b"Accept: text/html\r\nAccept: application/x-npy\r\n",
        "twice, the id": b"X-Request-ID: one\r\nX-Request-ID: two\r\n",
        "twice, the deadline": b"X-Request-Timeout: 5\r\nX-Request-Timeout: soon\r\n",
        "twice, the type": b"Content-Type: text/plain\r\n",
        "twice, the length": b"Content-Length: %d\r\n" % len(BODY),
        "twice, another length": b"Content-Length: 3\r\n",
        "with chunks as well": b"Transfer-Encoding: chunked\r\n",
        "with an unknown coding": b"Transfer-Encoding: gzip\r\n",
        "of the connection": b"Connection: keep-alive, TE\r\n",
        "closing": b"Connection: Close\r\n",
        "closing among others": b"Connection: TE, close\r\n",
        "of 60 kB": b"X-A: %b\r\n" % (b"a" * 60_000),
        "of 70 kB": b"X-A: %b\r\n" % (b"a" * 70_000),
        "of 2 kB": b"X-A: %b\r\n" % (b"a" * 2_000),
    }
    for name, lines in fields.items():
        yield Case(f"a field {name}", (with_fields(lines),))
    for count in (97, 98, 150):
        lines = b"".join(b"X-%d: a\r\n" % number for number in range(count))
        yield Case(f"{count + 3} fields", (with_fields(lines),))
    for length in (b"x", b"-1", b"+5", b"1 1", b"", b"99999999999999999999"):
        yield Case(f"length {length.decode()!r}", (HEAD + b"Content-Length: " + length + b"\r\n\r\n",), alone=True)
    yield Case("no length", (HEAD + b"\r\n",))
    yield Case("no length, to sample", (b"POST /sample?model=image&seed=1 HTTP/1.1\r\nHost: x\r\n\r\n",))
    yield Case("lines that end with LF", (WHOLE.replace(b"\r\n", b"\n"),))
    yield Case("an empty line before", (b"\r\n" + WHOLE,))
    yield Case("a target of 60 kB", (WHOLE.replace(b"model=image", b"model=image&a=" + b"a" * 60_000),))
    yield Case("a target of 70 kB", (WHOLE.replace(b"model=image", b"model=image&a=" + b"a" * 70_000),))
    yield Case("no HTTP", (b"nonsense\r\n\r\n",))
    yield Case("TLS", (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),))


def _below_a_prefix() -> Iterator[Case]:
    for prefix in ("", PREFIX, PREFIX * 2, PREFIX + "/", PREFIX[1:]):
        yield post_json(f"decode below {prefix!r}", f"{prefix}/decode", CODES_JSON)
        yield post_json(f"refused below {prefix!r}", f"{prefix}/decode", {"z": [[0]]})
        yield post_json(f"nowhere below {prefix!r}", f"{prefix}/nowhere", CODES_JSON)
        yield get(f"decode below {prefix!r}", f"{prefix}/decode")
        yield get(f"sample below {prefix!r}", f"{prefix}/sample?seed=1&n=2")
        yield get(f"nothing below {prefix!r}", prefix or "/")


# -- all of it ---------------------------------------------------------------------------------------------


def _bad_requests() -> Iterator[Case]:
    """Those of test_bad_requests.py, as httpx sends them."""
    with httpx.Client(base_url="http://x") as client:
        for bad in REQUESTS:
            built = client.build_request(
                bad.method, bad.path, json=bad.json, content=bad.content, headers=bad.headers, files=bad.files
            )
            yield Case(f"bad: {bad.name}", (_as_bytes(built),))
        for method, path, _ in METHODS:
            yield Case(f"bad: {method} {path}", (_as_bytes(client.build_request(method, path)),))


def _as_bytes(built: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (built.method.encode(), built.url.raw_path)]
    lines += [b"%b: %b" % field for field in built.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n" + built.read()


def _named(parts: Sequence[Iterator[Case]]) -> dict[str, Case]:
    cases = [case for part in parts for case in part]
    named = {case.name: case for case in cases}
    assert len(named) == len(cases), "two cases have one name"
    return named


CORPUS = _named(
    [
        _every_model(),
        _every_accept(),
        _every_body(),
        _every_option(),
        _every_header(),
        _every_path(),
        _pieces_of_requests(),
        _pipelines(),
        _unusual_heads(),
        _bad_requests(),
    ]
)

FAULT = post_json("a fault of the service", "/decode?model=image", {"fault": True})
"""What is answered where a service is made to fail on it."""

PREFIX = "/latent"
PREFIXED = _named([_below_a_prefix()])
"""Requests of a service that a proxy serves below PREFIX, with the model `image` alone."""

DRAWN = {
    case.name: case
    for case in (
        post_json("sample without a seed", "/sample?model=image", {"n": 3}),
        post_json("a posterior's draw without a seed", "/encode?model=image", {**IMAGE_JSON, "sample": True}),
        get("sample without a seed", "/sample?model=image&n=2", {"Accept": "application/json"}),
    )
}
"""Requests whose numbers are drawn at random, in JSON."""
