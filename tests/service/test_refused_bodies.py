"""The bodies of refused requests are freed at once: no error keeps a body in a reference cycle."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from model_store import ModelStore
from tests.service.conftest import BOTH_WAYS
from tests.support.server import RunningServer, running_server

BODY_BYTES = 4 << 20
REQUESTS = 45
GROWTH_BYTES = 128 << 20
"""Half of what the bodies have together: malloc keeps up to 64 MB, and a few are under way."""

NPY_HEADER = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 3), }"
FORM = b"--b\r\nContent-Disposition: form-data; name=f; filename=a.png\r\nContent-Type: image/png\r\n\r\n"
BLANKS, ZEROS = b" " * BODY_BYTES, bytes(BODY_BYTES)

REFUSED = {
    "JSON that is cut short": ("application/json", b'{"inputs": [[' + BLANKS, 400),
    "JSON of another shape": ("application/json", b'{"inputs": [[1, 2]]' + BLANKS + b"}", 422),
    "JSON with an unknown option": ("application/json", b'{"unknown": 1' + BLANKS + b"}", 422),
    "npy that is none": ("application/x-npy", b"\x93NUMPX" + ZEROS, 400),
    "npy of another shape": (
        "application/x-npy",
        (NPY_HEADER % (BODY_BYTES // 12)).ljust(127) + b"\n" + bytes(BODY_BYTES // 12 * 12),
        422,
    ),
    "a picture that is none": ("image/png", b"\x89PNG\r\n\x1a\n" + ZEROS, 400),
    "a picture that is cut short": (
        "image/png",
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0) + ZEROS,
        400,
    ),
    "a form without its end": ("multipart/form-data; boundary=b", FORM + ZEROS, 400),
    "a form with a bad picture": ("multipart/form-data; boundary=b", FORM + ZEROS + b"\r\n--b--\r\n", 400),
    "a body that is too large": ("application/json", BLANKS * 9, 413),
    "an unknown type": ("text/plain", BLANKS, 415),
}


@pytest.fixture(scope="module", params=BOTH_WAYS)
def uncollected_server(
    request: pytest.FixtureRequest, affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A service whose garbage collector is off."""
    directory: Path = tmp_path_factory.mktemp("uncollected")
    (directory / "sitecustomize.py").write_text("import gc\n\ngc.disable()\n", encoding="utf-8")
    with running_server(
        affine_store.path, engine="openvino", python_path=[directory], fast_path=request.param
    ) as server:
        yield server


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_body_does_not_stay_in_memory(uncollected_server: RunningServer, kind: str) -> None:
    content_type, body, status = REFUSED[kind]
    process = psutil.Process(uncollected_server.process.pid)
    before = process.memory_info().rss
    for _ in range(REQUESTS * BODY_BYTES // len(body) if len(body) > 2 * BODY_BYTES else REQUESTS):
        response = uncollected_server.http.post(
            "/encode?model=image", content=body, headers={"Content-Type": content_type}
        )
        assert response.status_code == status, response.text
    assert process.memory_info().rss - before < GROWTH_BYTES
