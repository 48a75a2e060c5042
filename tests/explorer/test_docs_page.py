"""The page at /docs, and the files of a foreign report, in a browser: what they load, keep and run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from model_store import ModelStore
from tests.explorer.test_served import stripping_proxy
from tests.explorer.visit import Visit
from tests.support.publisher import republish
from tests.support.server import RunningServer, running_server

PREFIX = "/latent"
SCRIPT = b"document.title = 'ran'; document.body && document.body.setAttribute('data-ran', '1');"
HTML = (
    b"<!doctype html><title>report</title><script>%b</script><script src='evil.js'></script>"
    b"<body onload=\"document.title = 'ran'\"><img id='figure' src='samples.png'>"
    b"<iframe src='/docs'></iframe><p style='color: red'>text</p></body>" % SCRIPT
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><title>report</title><script>%b</script></svg>' % SCRIPT


def _write_report(version: Path) -> None:
    for name, content in (("page.html", HTML), ("drawing.svg", SVG), ("evil.js", SCRIPT)):
        (version / "report" / name).write_bytes(content)


@pytest.fixture(scope="module")
def keyed(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service with an admin key, of a version whose report has scripts."""
    store = tmp_path_factory.mktemp("keyed") / "store"
    republish(store, "image", affine_store.directory("image", 1), _write_report)
    with running_server(store, engine="openvino", admin_key="key") as running:
        yield running


def _try(visit: Visit, operation: str) -> None:
    """Open an operation of the page, and execute it."""
    opened = visit.page.locator(f".opblock[id$='{operation}']")
    opened.locator(".opblock-summary").click()
    opened.locator("button.execute").click()
    opened.locator(".live-responses-table .response").wait_for()


def test_it_is_tried_and_the_key_is_forgotten(visits: Callable[..., Visit], keyed: RunningServer) -> None:
    visit = visits(keyed)
    visit.go("docs")
    visit.page.locator("button.authorize").first.click()
    visit.page.locator(".auth-container input").fill("key")
    visit.page.locator(".auth-btn-wrapper button.authorize").click()
    visit.page.locator("button.btn-done").click()
    _try(visit, "get_livez_livez_get")
    _try(visit, "get_manifold_manifold_get")
    visit.page.locator(".opblock.is-open img").first.wait_for()
    assert visit.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    visit.page.reload()
    visit.page.locator(".opblock").first.wait_for()
    assert visit.page.locator("button.authorize.locked").count() == 0


def test_it_works_below_a_prefix(visits: Callable[..., Visit], affine_store: ModelStore) -> None:
    with (
        running_server(affine_store.path, root_path=PREFIX, model="image") as below,
        stripping_proxy(below.url) as root,
    ):
        visit = visits(below, root)
        visit.go("docs")
        visit.page.locator(".opblock").first.wait_for()
        _try(visit, "get_livez_livez_get")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80"])
def test_it_names_no_host(keyed: RunningServer, host: str) -> None:
    page = httpx.get(keyed.url + "/docs", headers={"Host": host})
    assert page.status_code == 200
    assert "evil" not in page.text
    assert "//" not in page.text.replace("<!doctype", "")


def test_a_host_that_is_none_gets_no_page(keyed: RunningServer) -> None:
    refused = httpx.get(keyed.url + "/docs", headers={"Host": 'x"><script>'})
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("name", ["page.html", "drawing.svg"])
def test_a_report_runs_nothing_and_reaches_nobody(
    visits: Callable[..., Visit], keyed: RunningServer, name: str
) -> None:
    visit = visits(keyed)
    visit.go(f"models/image/versions/1/report/{name}")
    visit.page.wait_for_load_state("load")
    if name == "page.html":
        visit.page.wait_for_function("() => document.getElementById('figure').naturalWidth === 4")
    assert visit.page.title() != "ran"
    assert visit.page.evaluate("self.origin") == "null"
    refused = [text for text in visit.wrong if "Content Security Policy" in text or "sandboxed" in text]
    assert len(refused) >= 1 or name == "drawing.svg"  # whose script Chromium passes over in silence
    visit.wrong[:] = [text for text in visit.wrong if text not in refused]
