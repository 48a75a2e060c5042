"""Checks the one shape of every error on the wire."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Any

import httpx

from service.errors import MAX_DETAIL

_LEAKS = re.compile(r"Traceback|File \"|\.py\b|/tmp/|/home/|/usr/|site-packages|<class|object at 0x|numpy\.|pydantic")
_PAGE_S = 60.0


def assert_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Hold an answer to RFC 9457 as this service speaks it, and return its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == status
    assert body["title"] == _title_of_page(str(response.url.join(body["type"])))
    assert body["instance"] == response.headers["x-request-id"]
    assert 0 < len(body["detail"]) <= MAX_DETAIL
    assert not _LEAKS.search(response.text), response.text
    for error in body.get("errors", []):
        assert set(error) == {"loc", "expected", "got"}
        assert all(isinstance(part, str | int) for part in error["loc"])
    assert set(body) <= {"type", "title", "status", "detail", "instance", "errors"}
    if status == 503:
        assert int(response.headers["retry-after"]) >= 1
    return body


@lru_cache
def _title_of_page(url: str) -> str:
    """The heading of the page that explains a kind of problem."""
    page = httpx.get(url, timeout=_PAGE_S)
    assert page.status_code == 200, url
    heading = re.search(r"<h1>(.*?)</h1>", page.text)
    assert heading is not None
    return html.unescape(heading.group(1))
