"""A Unix socket to listen on, alone or beside a port, for one process and for several."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from model_store import ModelStore
from service.server.binding import PortUnavailable, bind_unix
from tests.latent.conftest import command, environment
from tests.service.server.test_healthcheck import check
from tests.support.raw_http import ANSWER_S
from tests.support.server import START_S, STOP_S

CODE = {"z": [[0.0, 0.0]]}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: the path of a socket has little room."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def serving(*arguments: object, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service, and the line in which it says where it listens."""
    with subprocess.Popen(
        command("serve", "--model", "image", *arguments),
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], START_S)[0]
            yield process, process.stdout.readline()
        finally:
            process.kill()


def decode(client: httpx.Client) -> int:
    """The status of a request, once the service is ready."""
    deadline = time.monotonic() + START_S
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)  # nothing tells other processes
    return client.post("/decode", json=CODE).status_code


def over(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://x", timeout=ANSWER_S)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_there_and_nowhere_else(affine_store: ModelStore, directory: Path, workers: int) -> None:
    path = directory / "s"
    with serving("--workers", workers, "--store", affine_store.path, LATENT_UNIX_SOCKET="s") as (process, said):
        assert f"at unix:{path} " in said
        assert "http" not in said
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with over(path) as client:
            assert decode(client) == 200
        assert check(LATENT_UNIX_SOCKET=str(path)).returncode == 0
        process.terminate()
        assert process.wait(STOP_S) == 0
    assert list(directory.iterdir()) == []
    assert check(LATENT_UNIX_SOCKET=str(path)).returncode == 1


def test_beside_a_port_that_is_set(affine_store: ModelStore, directory: Path) -> None:
    with serving("--port", 0, "--workers", 2, "--store", affine_store.path, LATENT_UNIX_SOCKET="s") as (_, said):
        port = re.search(r"http://localhost:(\d+) and unix:", said)
        assert port is not None
        with over(directory / "s") as client:
            assert decode(client) == 200
        with httpx.Client(base_url=f"http://127.0.0.1:{port[1]}", timeout=ANSWER_S) as client:
            assert decode(client) == 200


def test_what_a_killed_service_left_is_removed_and_what_answers_is_not(
    affine_store: ModelStore, directory: Path
) -> None:
    arguments = ("--store", affine_store.path)
    with serving(*arguments, LATENT_UNIX_SOCKET="s") as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (directory / "s").is_socket()
    with serving(*arguments, LATENT_UNIX_SOCKET="s") as (process, _):
        with over(directory / "s") as client:
            assert decode(client) == 200
        second = subprocess.run(
            command("serve", *arguments),
            env=environment() | {"LATENT_UNIX_SOCKET": "s"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (second.returncode, second.stderr.count("\n")) == (2, 1)
        assert "Address already in use" in second.stderr
        with over(directory / "s") as client:
            assert decode(client) == 200


def test_the_socket_of_a_successor_is_left_alone(affine_store: ModelStore, directory: Path) -> None:
    with serving("--store", affine_store.path, LATENT_UNIX_SOCKET="s") as (process, _):
        (directory / "s").rename(directory / "old")
        with bind_unix(directory / "s"):
            process.terminate()
            assert process.wait(STOP_S) == 0
            assert (directory / "s").is_socket()


@pytest.mark.parametrize("what", ["file", "directory", "missing/s", "x" * 200])
def test_a_path_that_cannot_be_one(directory: Path, what: str) -> None:
    (directory / "file").write_text("kept")
    (directory / "directory").mkdir()
    with pytest.raises(PortUnavailable) as refused:
        bind_unix(Path(what))
    assert str(refused.value).startswith(f"cannot listen on {what} (")
    assert (directory / "file").read_text() == "kept"


def test_one_that_listens_but_has_no_time_is_not_removed(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(directory / "s"))
        busy.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect("s")
            with pytest.raises(PortUnavailable, match="in use"):
                bind_unix(Path("s"))
    assert os.path.exists("s")  # noqa: PTH110
