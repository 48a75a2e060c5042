"""`latent chaos` against a sound service, against one that mixes up answers, and against what is no service."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from latent.chaos.ill_formed import ill_formed
from latent.chaos.truth import LearnedTruth, questions
from latent.chaos.well_formed import well_formed
from latent.chaos.worst import worst
from model_store import ModelStore
from tests.latent.conftest import Latent
from tests.support.affine import AFFINE
from tests.support.server import RunningServer, running_server

SHORT = ("--seconds", 3, "--connections", 4, "--max-gap-s", 60)


@pytest.fixture(scope="module")
def server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, engine="openvino") as running:
        yield running


@contextmanager
def mixing_up(server: RunningServer, learned: int) -> Iterator[str]:
    """A proxy that answers all but the first `learned` calls of /decode as the first one; its address."""
    first: list[tuple[http.client.HTTPResponse, bytes]] = []
    decoded = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass_on(self, body: bytes | None) -> None:
            nonlocal decoded
            with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as upstream:
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                content = answer.read()
            if self.path.startswith("/decode") and answer.status == 200:
                decoded += 1
                first.append((answer, content))
                answer, content = first[0] if decoded > learned else first[-1]
                del first[1:]
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "x-request-id"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
            del format, args

    class Proxy(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            del request, client_address  # clients hang up: that is what they are here for

    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join()


def test_a_sound_service_behaves(latent: Latent, server: RunningServer) -> None:
    done = latent("chaos", server.url, *SHORT)
    assert (done.code, done.err) == (0, ""), done
    lines = done.out.splitlines()
    assert "loads" in lines[0]
    assert server.url in lines[0]
    assert lines[-1] == "every bound holds"
    assert "decode npy" in done.out
    assert server.http.get("/readyz").status_code == 200


def test_a_service_that_mixes_up_answers_is_found(
    latent: Latent, server: RunningServer, affine_store: ModelStore
) -> None:
    asked = [question for name in AFFINE for question in questions(affine_store.manifest(name, 1), seed=1)]
    with mixing_up(server, learned=sum(question.verb == "decode" for question in asked)) as url:
        done = latent("chaos", url, "--seconds", 5, "--connections", 4, "--max-gap-s", 60)
    assert done.code == 1, done
    assert any(
        line.startswith("BROKEN: wrong or missing answer") and "decode" in line for line in done.out.splitlines()
    )


def test_a_gap_that_is_too_long_is_said(latent: Latent, server: RunningServer) -> None:
    stop = threading.Event()

    def pause_now_and_then() -> None:
        while not stop.wait(0.2):
            with server.paused():
                stop.wait(0.5)

    pausing = threading.Thread(target=pause_now_and_then)
    pausing.start()
    try:
        done = latent("chaos", server.url, "--seconds", 3, "--connections", 2, "--max-gap-s", 0.2)
    finally:
        stop.set()
        pausing.join()
    assert done.code == 1, done
    assert "BROKEN: /livez was not answered for" in done.out


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "no URL of a service"),
        ("ftp://localhost", "no URL of a service"),
        ("http://", "no URL of a service"),
        ("http://[", "no URL"),
        ("http://localhost:99999", "no URL"),
        ("http://localhost:1/?a=b", "a query"),
        ("http://user@localhost:1/", "a user"),
        ("http://127.0.0.1:1", "no answer from"),
        ("http://no-such-host.invalid:1", "no answer from"),
    ],
)
def test_a_wrong_url_is_one_line(latent: Latent, url: str, said: str) -> None:
    assert said in latent("chaos", url).complaint


def test_a_path_that_is_no_service_is_one_line(latent: Latent, server: RunningServer) -> None:
    assert "404" in latent("chaos", f"{server.url}/nowhere").complaint


@pytest.mark.parametrize("option", [("--seconds", 0), ("--connections", 1), ("--seed", -1)])
def test_options_have_bounds(latent: Latent, option: tuple[str, int]) -> None:
    assert option[0] in latent("chaos", "http://localhost:1", *option).complaint


@pytest.mark.parametrize("name", sorted(AFFINE))
def test_the_requests_are_the_same_for_the_same_seed(affine_store: ModelStore, name: str) -> None:
    manifest = affine_store.manifest(name, 1)

    def made(seed: int) -> list[bytes]:
        shots = [*well_formed(questions(manifest, seed), LearnedTruth([])), *ill_formed([manifest]), *worst([manifest])]
        return [shot.to_bytes("h", "", "id")[:50_000] for shot in shots]

    assert made(1) == made(1)
    assert made(1) != made(2)
