"""The HTML pages: their files, media types, and security headers for browsers."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.problems import assert_problem
from tests.support.server import ROOT

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
EXPLORER = ROOT / "service" / "explorer"
PAGES = ["/", "/problems", "/problems/not-found", "/docs"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_do_nothing_but_what_it_needs(one: httpx.Client, path: str) -> None:
    for response in (one.get(path), one.head(path)):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
        assert policy == POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_that_its_policy_forbids(one: httpx.Client, path: str) -> None:
    page = one.get(path).text
    assert re.findall(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|<base|<iframe|https?://|//[a-z]", page) == []


@pytest.mark.parametrize("path", PAGES)
def test_every_file_that_a_page_names_is_there(one: httpx.Client, path: str) -> None:
    page = one.get(path)
    files = re.findall(r'(?:src|href)="([^"]*\.(?:js|css|svg))"', page.text)
    assert len(files) >= 1
    for file in files:
        assert not file.startswith("/"), "a prefix would be lost"
        assert one.get(page.url.join(file)).status_code == 200


@pytest.mark.parametrize("path", sorted(path.name for path in EXPLORER.glob("*.*")))
def test_a_file_is_served_as_what_it_is(one: httpx.Client, path: str) -> None:
    kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
    file = EXPLORER / path
    if file.suffix == ".html":
        assert one.get("/").content == file.read_bytes()
        assert_problem(one.get(f"/explorer/{path}"), 404, "not-found")
        return
    response = one.get(f"/explorer/{path}")
    assert response.content == file.read_bytes()
    assert response.headers["content-type"] == kinds[file.suffix]
    assert response.headers["x-content-type-options"] == "nosniff"
    head = one.head(f"/explorer/{path}")
    assert (head.content, head.headers["content-length"]) == (b"", str(file.stat().st_size))


@pytest.mark.parametrize(
    "path",
    [
        "/explorer",
        "/explorer/",
        "/explorer/.",
        "/explorer/nothing.js",
        "/explorer/layout.html",
        "/explorer/%2e%2e/pages/problem.html",
        "/explorer/..%2fpages/pages.css",
        "/explorer/%2fetc/passwd",
        "/explorer/main.js/",
        "/explorer/MAIN.JS",
    ],
)
def test_there_is_no_other_file_and_no_list(one: httpx.Client, path: str) -> None:
    assert_problem(one.get(path), 404, "not-found")


def test_a_nul_is_in_no_path(one: httpx.Client) -> None:
    assert_problem(one.get("/explorer/main.js%00"), 400, "malformed-request")
