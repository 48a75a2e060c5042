"""Several worker processes on one port: they act as one service, which outlives each worker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from model_store import ModelStore
from tests.latent.conftest import command, environment
from tests.service.stores import Publisher
from tests.support.server import RunningServer, running_server

CODE = {"z": [[0.0, 0.0]]}
WORKERS = 2
PATIENCE_S = 60.0


@contextmanager
def workers(store: ModelStore) -> Iterator[RunningServer]:
    with running_server(store.path, model="image", engine="openvino", workers=WORKERS) as server:
        yield server


def processes(server: RunningServer) -> list[psutil.Process]:
    """The workers, once all of them answer; Python's own helper process is not one."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = [
            child
            for child in psutil.Process(server.process.pid).children()
            if any("spawn_main" in part for part in child.cmdline())
        ]
        if len(found) == WORKERS and metric(server, "latent_workers") == WORKERS:
            return found
        time.sleep(0.05)  # nothing tells other processes that a worker is there
    raise AssertionError(f"there are {len(found)} workers, not {WORKERS}")


def metric(server: RunningServer, name: str) -> float:
    """The sum of a metric over its labels, as any one of the workers tells it."""
    text = httpx.get(f"{server.url}/metrics", timeout=PATIENCE_S).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


def ask(server: RunningServer) -> int:
    """On a connection of its own, so that any worker may take it."""
    return httpx.post(f"{server.url}/decode", json=CODE, timeout=PATIENCE_S).status_code


def test_workers_answer_together_and_count_as_one(affine_store: ModelStore) -> None:
    with workers(affine_store) as server:
        assert len(processes(server)) == WORKERS
        assert [ask(server) for _ in range(40)] == [200] * 40
        for _ in range(6):  # whichever is asked
            text = httpx.get(f"{server.url}/metrics", timeout=PATIENCE_S).text
            assert 'latent_requests_total{model="image",status="200",verb="/decode"} 40.0' in text
            assert 'latent_request_seconds_count{verb="/decode"} 40.0' in text
            assert "latent_ready 1.0" in text


def test_a_worker_that_is_killed_is_replaced_and_its_counts_are_kept(affine_store: ModelStore) -> None:
    with workers(affine_store) as server:
        first = processes(server)
        assert [ask(server) for _ in range(20)] == [200] * 20
        counted = metric(server, "latent_items_total")
        outcomes: Counter[str] = Counter()
        stop = threading.Event()

        def keep_asking() -> None:
            while not stop.is_set():
                try:
                    outcomes[str(ask(server))] += 1
                except httpx.TransportError:
                    outcomes["broken"] += 1

        callers = [threading.Thread(target=keep_asking) for _ in range(3)]
        for caller in callers:
            caller.start()
        victim = first[0]
        victim.kill()
        psutil.wait_procs([victim], timeout=PATIENCE_S)
        now = processes(server)
        stop.set()
        for caller in callers:
            caller.join()
        assert victim.pid not in [process.pid for process in now]
        assert set(outcomes) <= {"200", "broken"}
        assert outcomes["broken"] <= len(callers)  # what the dead one had taken is lost, and nothing else
        assert outcomes["200"] > 0
        assert metric(server, "latent_items_total") >= counted
        events = [line["event"] for line in server.log_lines()]
        assert (events.count("worker died"), events.count("worker started")) == (1, WORKERS + 1)


def test_a_reload_by_hand_reaches_every_worker(affine_store: ModelStore, tmp_path: Path) -> None:
    publisher = Publisher(ModelStore(tmp_path / "store"), affine_store, "m")
    publisher.publish("image")
    with running_server(publisher.store.path, engine="openvino", workers=WORKERS, watch_s=0, admin_key="key") as server:
        processes(server)
        publisher.publish("image")
        done = httpx.post(f"{server.url}/models/m/reload", headers={"Authorization": "Bearer key"}, timeout=PATIENCE_S)
        assert done.json()["serves"] == 2
        deadline, newest = time.monotonic() + PATIENCE_S, 0
        while newest < 30:  # in a row, on connections of their own: none comes from a worker that has not reloaded
            assert time.monotonic() < deadline
            answer = httpx.post(f"{server.url}/decode", json=CODE, timeout=PATIENCE_S).json()["model"]
            newest = newest + 1 if answer == "m@2" else 0


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_all_stop_with_exit_code_0(affine_store: ModelStore, kind: signal.Signals) -> None:
    with workers(affine_store) as server:
        before = processes(server)
        server.process.send_signal(kind)
        assert server.exit_code() == 0
        assert not any(process.is_running() for process in before)
        assert "worker died" not in [line["event"] for line in server.log_lines()]


def test_workers_do_not_outlive_their_supervisor(affine_store: ModelStore) -> None:
    with workers(affine_store) as server:
        before = processes(server)
        os.kill(server.process.pid, signal.SIGKILL)
        gone, alive = psutil.wait_procs(before, timeout=PATIENCE_S)
        assert (len(gone), len(alive)) == (WORKERS, 0)


def events(server: RunningServer, name: str) -> list[dict[str, Any]]:
    return [line for line in server.log_lines() if line["event"] == name]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # nothing tells other processes


def test_a_worker_that_stands_still_is_replaced(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, model="image", engine="openvino", workers=WORKERS, watchdog_s=3) as server:
        still = processes(server)[0]
        still.suspend()
        wait_until(lambda: bool(events(server, "worker stands still")))
        psutil.wait_procs([still], timeout=PATIENCE_S)
        assert still.pid not in [process.pid for process in processes(server)]
        assert {line["pid"] for line in events(server, "worker stands still")} == {still.pid}
        (death,) = events(server, "worker died")
        assert (death["pid"], death["exit_code"]) == (still.pid, -signal.SIGKILL)
        assert "stood still" in death["reason"]
        server.terminate()
        assert server.exit_code() == 0


def test_a_worker_that_dies_while_others_load_is_replaced_and_its_killer_named(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, ready=None, model="image", engine="openvino", workers=WORKERS) as server:
        wait_until(lambda: len(events(server, "worker started")) == WORKERS)
        victim = psutil.Process(events(server, "worker started")[0]["pid"])
        victim.kill()
        psutil.wait_procs([victim], timeout=PATIENCE_S)
        assert victim.pid not in [process.pid for process in processes(server)]
        (death,) = events(server, "worker died")
        assert death["pid"] == victim.pid
        assert "SIGKILL, as the kernel does where memory runs out" in death["reason"]
        assert ask(server) == 200


def test_workers_that_die_at_once_are_started_again_after_longer_and_longer_pauses(
    affine_store: ModelStore, tmp_path: Path
) -> None:
    """And the supervisor says so, and stays."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('spawn_main' in each for each in sys.orig_argv):\n    os._exit(7)\n"
    )
    with running_server(
        affine_store.path, ready=None, python_path=[tmp_path], model="image", workers=WORKERS
    ) as server:
        wait_until(lambda: len(events(server, "worker died")) >= 4 * WORKERS)
        deaths = [line for line in events(server, "worker died") if line["worker"] == 0]
        assert {line["exit_code"] for line in deaths} == {7}
        assert [line["failed_starts"] for line in deaths] == list(range(1, len(deaths) + 1))
        pauses = [line["restart_in_s"] for line in deaths]
        assert pauses == sorted(pauses)
        assert pauses[0] < pauses[-1]
        server.terminate()
        assert server.exit_code() == 0


def test_workers_that_are_still_starting_do_not_outlive_their_supervisor(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, ready=None, model="image", workers=WORKERS) as server:
        wait_until(lambda: len(events(server, "worker started")) == WORKERS)
        started = [psutil.Process(line["pid"]) for line in events(server, "worker started")]
        os.kill(server.process.pid, signal.SIGKILL)
        assert psutil.wait_procs(started, timeout=PATIENCE_S)[1] == []
        socket.create_server(("127.0.0.1", server.port)).close()


@pytest.mark.parametrize("ready", [False, True])
def test_ctrl_c_in_a_terminal_reaches_all_processes_and_stops_them_quietly(
    affine_store: ModelStore, ready: bool
) -> None:
    serve = command("serve", "--model", "image", "--port", 0, "--workers", WORKERS, "--store", affine_store.path)
    with subprocess.Popen(
        serve, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            port = re.search(r":(\d+) ", process.stdout.readline())
            assert port is not None
            if ready:
                wait_until(lambda: _is_ready(int(port[1])))
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0
            assert "Traceback" not in said
            assert "worker died" not in said
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_S).status_code == 200
    except httpx.TransportError:
        return False
