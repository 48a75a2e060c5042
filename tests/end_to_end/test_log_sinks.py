"""Whoever reads the log may go away or stop reading, and the disk may be full: the service answers, follows its store,
says what it has lost, and ends as always."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from model_store import ModelStore
from tests.latent.conftest import command
from tests.latent.conftest import environment as cli_environment
from tests.service.stores import Publisher
from tests.support.pipes import fill
from tests.support.raw_http import ANSWER_S
from tests.support.server import ROOT, START_S, STOP_S, environment

SINKS = ("gone", "stuck", "full")
FORMS = ({"log_format": "json"}, {"log_format": "console"}, {"log_format": "json", "workers": 2})
CODE = {"z": [[0.0, 0.0]]}


def opened(sink: str) -> tuple[int, int]:
    """The reading and the writing end of a sink: a pipe; a full pipe where it is `stuck`; a full disk where `full`."""
    reader, writer = os.pipe()
    if sink == "full":
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    if sink == "stuck":
        fill(writer)
    return reader, writer


@contextmanager
def serving(store: Path, sink: str, **settings: object) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A service whose stderr is a pipe whose reader is gone, a full pipe that nobody reads, or a full disk."""
    reader, writer = opened(sink)
    given = {"store": store, "port": 0, "engine": "openvino", "watch_s": 0.1, **settings}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.server"],
        cwd=ROOT,
        env=environment(given),
        stdout=subprocess.PIPE,
        stderr=writer,
    ) as process:
        try:
            os.close(writer)
            if sink == "gone":
                os.close(reader)
            assert process.stdout is not None
            url = process.stdout.readline().decode().strip().replace("localhost", "127.0.0.1")
            with httpx.Client(base_url=url, timeout=ANSWER_S) as client:
                wait_for(client, "/readyz", "ready")
                yield process, client
        finally:
            process.kill()
            if sink != "gone":
                os.close(reader)


def wait_for(client: httpx.Client, path: str, text: str) -> None:
    deadline = time.monotonic() + START_S
    while not re.search(text, client.get(path).text):
        assert time.monotonic() < deadline, client.get(path).text
        time.sleep(0.02)  # nothing tells other processes


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("settings", FORMS, ids=["json", "console", "two workers"])
def test_the_service_goes_on(affine_store: ModelStore, tmp_path: Path, sink: str, settings: dict[str, object]) -> None:
    publisher = Publisher(ModelStore(tmp_path / "store"), affine_store, "m")
    publisher.publish("image")
    with serving(publisher.store.path, sink, **settings) as (process, client):
        assert [client.post("/decode", json=CODE).status_code for _ in range(300)] == [200] * 300
        assert client.post("/decode", json={}).status_code == 422
        publisher.publish("image")
        wait_for(client, "/models", '"serves": ?2')
        deadline = time.monotonic() + START_S
        while (served := client.post("/decode", json=CODE).json()["model"]) != "m@2":  # the other worker's turn
            assert time.monotonic() < deadline, served
        if sink != "stuck":  # there it takes 4 MiB of lines
            reason = "closed" if sink == "gone" else "full"
            wait_for(client, "/metrics", rf'latent_log_lines_lost_total\{{reason="{reason}"\}} [1-9]')
        process.terminate()
        assert process.wait(STOP_S) == 0


@pytest.mark.parametrize("sink", SINKS)
def test_nobody_has_to_read_where_it_serves(affine_store: ModelStore, sink: str) -> None:
    """Nor is the end of a service without a reader of its output an error, or its start a success at once."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    reader, writer = opened(sink)
    with subprocess.Popen(
        command("serve", "--port", port, "--store", affine_store.path),
        env=cli_environment(),
        stdout=writer,
        stderr=writer,
    ) as process:
        try:
            os.close(writer)
            if sink == "gone":
                os.close(reader)
            deadline = time.monotonic() + START_S
            while True:
                try:
                    assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=ANSWER_S).status_code == 200
                    break
                except httpx.TransportError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.05)  # nothing tells other processes
            process.terminate()
            assert process.wait(STOP_S) == 0
        finally:
            process.kill()
            if sink != "gone":
                os.close(reader)
