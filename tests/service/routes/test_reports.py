"""The files of a version's report: ranges, types, and what a browser may do with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model_store import ModelStore
from tests.support.problems import assert_problem
from tests.support.publisher import republish
from tests.support.server import RunningServer, running_server

BELOW = "/models/image/versions/1/report/"
FIGURE = BELOW + "samples.png"


@pytest.fixture
def whole(one: httpx.Client) -> bytes:
    return one.get(FIGURE).content


@pytest.mark.parametrize("header", ["bytes=abc", "items=0-1", "bytes=9-0", "", "nonsense", "bytes=" + "0-0," * 2000])
def test_a_range_that_makes_no_sense_is_ignored(one: httpx.Client, whole: bytes, header: str) -> None:
    response = one.get(FIGURE, headers={"Range": header})
    assert (response.status_code, response.content) == (200, whole)
    assert response.headers["accept-ranges"] == "bytes"


def test_ranges_of_a_figure(one: httpx.Client, whole: bytes) -> None:
    first = one.get(FIGURE, headers={"Range": "bytes=2-9"})
    assert (first.status_code, first.content) == (206, whole[2:10])
    assert first.headers["content-range"] == f"bytes 2-9/{len(whole)}"
    assert one.get(FIGURE, headers={"Range": "bytes=-4"}).content == whole[-4:]
    partly = one.get(FIGURE, headers={"Range": f"bytes=0-3,{len(whole)}-"})
    assert (partly.status_code, partly.content) == (206, whole[:4])
    many = one.get(FIGURE, headers={"Range": "bytes=0-1,20-29"})
    assert many.status_code == 206
    assert many.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert whole[:2] in many.content
    assert whole[20:30] in many.content


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0", "bytes=99999999-100000000,99999999-"])
def test_a_range_behind_the_end_is_a_problem(one: httpx.Client, whole: bytes, header: str) -> None:
    response = one.get(FIGURE, headers={"Range": header})
    assert_problem(response, 416, "range-not-satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(whole)}"


def test_if_range_decides_whether_ranges_count(one: httpx.Client, whole: bytes) -> None:
    headers = one.get(FIGURE).headers
    for given in (headers["etag"], headers["last-modified"]):
        assert one.get(FIGURE, headers={"Range": "bytes=0-1", "If-Range": given}).status_code == 206
        assert one.get(FIGURE, headers={"Range": "bytes=99999999-", "If-Range": given}).status_code == 416
    for given in ('"other"', f"W/{headers['etag']}", "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense", ""):
        for asked in ("bytes=0-1", "bytes=99999999-"):
            response = one.get(FIGURE, headers={"Range": asked, "If-Range": given})
            assert (response.status_code, response.content) == (200, whole)


def test_what_a_client_has_comes_before_its_range(one: httpx.Client) -> None:
    etag = one.get(FIGURE).headers["etag"]
    assert one.get(FIGURE, headers={"Range": "bytes=99999999-", "If-None-Match": etag}).status_code == 304


def test_ranges_are_for_get_alone(one: httpx.Client, whole: bytes) -> None:
    for asked in ("bytes=0-1", "bytes=99999999-"):
        response = one.head(FIGURE, headers={"Range": asked})
        assert (response.status_code, response.headers["content-length"]) == (200, str(len(whole)))
    assert_problem(one.post(FIGURE, headers={"Range": "bytes=abc"}), 405, "method-not-allowed")


@pytest.mark.parametrize("path", ["/", "/explorer/main.js", "/docs", "/swagger/swagger-ui.css", "/models/image/map"])
def test_what_has_no_ranges_ignores_them(one: httpx.Client, path: str) -> None:
    assert one.get(path, headers={"Range": "bytes=99999999-"}).status_code == 200


# -- what a report may do ----------------------------------------------------------------------------------

FILES = {
    "page.html": ("text/html; charset=utf-8", b"<script src='evil.js'></script><p onclick='x()'>text</p>"),
    "drawing.svg": ("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"><script>x()</script></svg>'),
    "evil.js": ("application/octet-stream", b"document.title = 'evil'"),
    "evil.xhtml": ("application/octet-stream", b"<html xmlns='http://www.w3.org/1999/xhtml'/>"),
    "below/PAGE.HTML": ("text/html; charset=utf-8", b"<p>text</p>"),
    "none": ("application/octet-stream", b"<script>x()</script>"),
    "packed.svgz": ("application/octet-stream", b"\x1f\x8b"),
}


@pytest.fixture(scope="module")
def foreign(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service of a version whose report would run scripts."""
    store = tmp_path_factory.mktemp("foreign") / "store"

    def write(version: Path) -> None:
        for name, (_, content) in FILES.items():
            path = version / "report" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    republish(store, "image", affine_store.directory("image", 1), write)
    with running_server(store, engine="openvino") as server:
        yield server


@pytest.mark.parametrize("name", FILES)
def test_no_file_of_a_report_runs_a_script(foreign: RunningServer, name: str) -> None:
    media_type, content = FILES[name]
    response = foreign.http.get(BELOW + name)
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["content-type"] == media_type
    policy = [part.strip() for part in response.headers["content-security-policy"].split(";")]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert not any(part.startswith("script-src") for part in policy)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    part = foreign.http.get(BELOW + name, headers={"Range": "bytes=0-0"})
    assert part.headers["content-security-policy"] == response.headers["content-security-policy"]
