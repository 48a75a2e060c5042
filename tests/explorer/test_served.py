"""How the explorer's files are served: small, and below any path prefix."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest

from model_store import ModelStore
from tests.explorer.visit import Visit
from tests.support.server import ROOT, running_server

PREFIX = "/latent"


def test_script_and_style_are_under_150_kilobytes() -> None:
    files = [path for path in (ROOT / "service" / "explorer").iterdir() if path.suffix in (".js", ".css")]
    assert len(files) > 10
    assert sum(path.stat().st_size for path in files) < 150_000


@contextmanager
def stripping_proxy(upstream: str) -> Iterator[str]:
    """Serves `upstream` under /latent and nothing else, as a proxy does that takes the prefix away: its address."""
    client = httpx.Client(base_url=upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.forward(b"")

        def do_POST(self) -> None:
            self.forward(self.rfile.read(int(self.headers["Content-Length"])))

        def forward(self, body: bytes) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
            answer = client.request(self.command, self.path.removeprefix(PREFIX), content=body, headers=headers)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Content-Security-Policy", "ETag", "Cache-Control"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with client, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}{PREFIX}"
        finally:
            proxy.shutdown()
            thread.join()


@pytest.mark.parametrize("stripped", [True, False])
def test_behind_a_prefix(visits: Callable[..., Visit], affine_store: ModelStore, stripped: bool) -> None:
    """Nothing outside of it is asked for: no file, no answer, no figure of a report, no picture of a map."""
    with (
        running_server(affine_store.path, model="image", root_path=PREFIX) as server,
        stripping_proxy(server.url) as root,
    ):
        visit = visits(server, root if stripped else f"{server.url}{PREFIX}")
        visit.open(model="image", z="1,-1")
        assert np.abs(visit.grey("#now")[:, :2] - 255 * 0.75).max() <= 1
        visit.choose_view("models")
        figure = visit.page.locator("#about .figures img").first
        figure.scroll_into_view_if_needed()
        visit.page.wait_for_function("() => document.querySelector('.figures img').naturalWidth > 0")
        assert (figure.get_attribute("src") or "").startswith(f"{visit.root}/models/image/versions/1/")
        visit.choose_view("sample")
        visit.page.get_by_text("36 samples of image@1, seed 1.", exact=True).wait_for()
        assert visit.page.url.startswith(f"{visit.root}/#")
        for name in ("API", "Problems"):
            target = visit.page.get_by_role("link", name=name, exact=True).evaluate("link => link.href")
            assert httpx.get(target).status_code == 200
            assert target.startswith(f"{visit.root}/")
