"""Stop signals from the first moment on, also where the service is process 1 of its container."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model_store import ModelStore
from tests.latent.conftest import command, environment
from tests.support.server import START_S, STOP_S

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def started(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def handles(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal: what process 1 has none for is lost."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def has_loaded(process: psutil.Process, library: str) -> bool:
    return library in Path(f"/proc/{process.pid}/maps").read_text()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline


def announced(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert "Latent serves" in process.stdout.readline()


linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which signals a process handles")


@linux
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_before_anything_is_imported(affine_store: ModelStore, workers: int, number: signal.Signals) -> None:
    serve = command("serve", "--port", 0, "--workers", workers, "--store", affine_store.path)
    with started(serve) as process:
        service = psutil.Process(process.pid)
        wait_for(lambda: handles(service, signal.SIGTERM))
        assert not has_loaded(service, "pydantic_core")
        process.send_signal(number)
        assert process.communicate(timeout=STOP_S) == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_as_soon_as_the_port_is_there(affine_store: ModelStore, workers: int, number: signal.Signals) -> None:
    serve = command("serve", "--port", 0, "--workers", workers, "--store", affine_store.path)
    with started(serve) as process:
        announced(process)
        children = psutil.Process(process.pid).children()
        process.send_signal(number)
        _, said = process.communicate(timeout=STOP_S)
    assert process.returncode == 0
    assert "Traceback" not in said
    assert psutil.wait_procs(children, timeout=STOP_S)[1] == []


@linux
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("moment", ["handler", "announced"])
def test_as_process_1(affine_store: ModelStore, workers: int, moment: str) -> None:
    unshare = [str(shutil.which("unshare")), "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if unshare[0] == "None" or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a process 1 is made by unshare and user namespaces, which are not there")
    serve = command("serve", "--port", 0, "--workers", workers, "--store", affine_store.path)
    with started([*unshare, *serve]) as process:
        wait_for(lambda: bool(psutil.Process(process.pid).children()))
        (service,) = psutil.Process(process.pid).children()
        if moment == "handler":
            wait_for(lambda: handles(service, signal.SIGTERM))
            assert not has_loaded(service, "pydantic_core")
        else:
            announced(process)
        service.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_S)
    assert process.returncode == 0


@linux
def test_another_command_ends_with_the_signals_exit_code(tmp_path: Path) -> None:
    with started(command("train", "mnist-vae", "--store", tmp_path / "store")) as process:
        wait_for(lambda: handles(psutil.Process(process.pid), signal.SIGTERM))
        process.terminate()
        assert process.communicate(timeout=STOP_S) == ("", "")
    assert process.returncode == 128 + signal.SIGTERM
