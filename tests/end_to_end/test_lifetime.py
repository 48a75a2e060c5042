"""The server process from start to end: ports, lazy loading, draining, exit codes."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from model_store import ModelStore
from service.server.binding import PortUnavailable, bind
from tests.support.problems import assert_problem
from tests.support.raw_http import ANSWER_S, Connection, request
from tests.support.server import STOP_S, RunningServer, running_server

CODE = {"z": [[0, 0]]}
DRAIN_S = 8.0
"""So long that a busy machine, too, answers a few requests meanwhile."""
NEVER_S = 600
"""Longer than any test waits: what waits for it fails."""


def half_a_request(server: RunningServer) -> tuple[Connection, bytes]:
    """A request in flight: its head and half its body are sent, and answered `100 Continue`; the rest is returned."""
    body = json.dumps(CODE).encode()
    wire = server.connect()
    wire.send(request("/decode?model=image", headers={"Expect": "100-continue", "Content-Length": str(len(body))}))
    assert wire.read_answer().status == 100
    wire.send(body[:5])
    return wire, body[5:]


def status_of_the_rest(wire: Connection, rest: bytes) -> int:
    wire.send(rest)
    with wire:
        return wire.read_answer().status


def port_closes(server: RunningServer) -> bool:
    """Whether it does, some time."""
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline:
        try:
            server.connect().close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: it closed while we were knocking
            return True
        time.sleep(0.01)  # nothing tells a client that a port has closed
    return False


def test_an_idle_service_stops_at_once_with_exit_code_0(affine_store: ModelStore) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        with running_server(affine_store.path, model="image", shutdown_timeout_s=NEVER_S) as server:
            server.process.send_signal(name)
            assert server.exit_code() == 0
            assert [line["event"] for line in server.log_lines()].count("stopping") == 1


def test_on_sigterm_it_is_not_ready_first_answers_on_and_then_finishes_what_is_in_flight(
    affine_store: ModelStore,
) -> None:
    with running_server(affine_store.path, drain_s=DRAIN_S) as server:
        answered: list[int] = []
        draining = threading.Event()

        def keep_asking() -> None:
            with httpx.Client(base_url=server.url, timeout=ANSWER_S) as client:
                while not draining.is_set():
                    answered.append(client.post("/decode?model=image", json=CODE).status_code)

        with ThreadPoolExecutor(4) as pool:
            load = [pool.submit(keep_asking) for _ in range(4)]
            wire, rest = half_a_request(server)
            before = len(answered)
            server.terminate()
            body = assert_problem(server.wait_for("/readyz", 503), 503, "not-ready")
            assert "stopping" in body["detail"]
            assert server.http.get("/livez").status_code == 200
            assert server.http.post("/decode?model=image", json=CODE).status_code == 200
            draining.set()
            for worker in load:
                worker.result()
        assert set(answered) == {200}
        assert len(answered) > before
        server.http.close()
        assert port_closes(server)
        assert status_of_the_rest(wire, rest) == 200
        assert server.exit_code() == 0
        statuses = [line["status"] for line in server.log_lines() if line["event"] == "request"]
        assert {status for status in statuses if status != 503} == {200}


def test_what_never_finishes_holds_the_shutdown_no_longer_than_allowed(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, model="image", shutdown_timeout_s=1, body_timeout_s=NEVER_S) as server:
        wire, _ = half_a_request(server)
        with wire:
            started = time.monotonic()
            server.terminate()
            assert server.exit_code() == 0
            assert time.monotonic() - started > 0.9


def test_a_second_signal_does_not_wait(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, model="image", drain_s=NEVER_S) as server:
        server.terminate()
        server.wait_for("/readyz", 503)
        server.terminate()
        assert server.exit_code() == 0


def test_a_signal_while_models_load(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, ready=None) as server:
        server.terminate()
        assert server.exit_code() == 0


def test_a_port_in_use_is_said_before_anything_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortUnavailable, match=rf"cannot listen on 127\.0\.0\.1:{port} \(Address already in use\)"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "999.1.1.1"])
def test_an_address_that_is_not_this_machines(host: str) -> None:
    with pytest.raises(PortUnavailable, match=f"cannot listen on {host}:0"):
        bind(host, 0)


def test_lazy_loading_is_ready_at_once_and_loads_at_the_first_request(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, load="lazy") as server:

        def states() -> dict[str, str]:
            models = server.http.get("/models").json()["models"]
            return {model["name"]: model["versions"][0]["state"] for model in models}

        assert set(states().values()) == {"available"}
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(server.http.post, "/decode?model=image", json=CODE) for _ in range(8)]
            assert {future.result().status_code for future in asked} == {200}
        assert [name for name, state in states().items() if state == "ready"] == ["image"]
        loaded = [line["model"] for line in server.log_lines() if line["event"] == "version loaded"]
        assert loaded == ["image@1"]


def test_a_lazy_model_that_is_not_there_by_the_deadline(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, load="lazy", model="image") as server:
        response = server.http.post("/decode", json=CODE, headers={"X-Request-Timeout": "0.001"})
        assert_problem(response, 504, "deadline-exceeded")
        assert server.http.post("/decode", json=CODE).status_code == 200


@pytest.mark.parametrize("stripped", [True, False])
def test_behind_a_prefix(affine_store: ModelStore, stripped: bool) -> None:
    """Whether or not the proxy takes the prefix away."""
    prefix = "" if stripped else "/latent"
    with running_server(affine_store.path, ready=None, root_path="/latent", model="image") as server:
        server.wait_for(f"{prefix}/readyz", 200)
        assert server.http.post(f"{prefix}/decode", json=CODE).status_code == 200
        described = server.http.get(f"{prefix}/models/image").json()
        assert described["links"]["self"] == "/latent/models/image/versions/1"
        assert 'src="explorer/docs.js"' in server.http.get(f"{prefix}/docs").text
        assert 'url: "openapi.json"' in server.http.get(f"{prefix}/explorer/docs.js").text
        assert server.http.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/latent"}]
        start = server.http.get(f"{prefix}/")
        problem = server.http.get(f"{prefix}/problems/not-found")
        for page in (start, problem):
            files = re.findall(r'(?:src|href)="([^"]*explorer/[^"]+)"', page.text)
            assert len(files) >= 1
            assert {server.http.get(page.url.join(file)).status_code for file in files} == {200}
        refused_method = server.http.delete(f"{prefix}/sample")
        assert (refused_method.status_code, refused_method.headers["allow"]) == (405, "GET, HEAD, POST")


def test_an_idle_service_is_small(affine_store: ModelStore) -> None:
    with running_server(affine_store.path) as server:
        process = psutil.Process(server.process.pid)
        assert process.memory_info().rss < 300e6
        assert process.children() == []
