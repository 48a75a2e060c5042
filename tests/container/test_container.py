"""The container files: targets, users and probes; the steps of the service target in a fresh environment."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from model_store import ModelStore
from tests.container.dockerfile import environment, stages, target

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


def test_targets_run_as_a_numbered_user_that_is_not_root() -> None:
    assert {"trainer", "service", "service-tensorflow"} <= stages(DOCKERFILE).keys()
    for name in ("trainer", "service", "service-tensorflow"):
        users = [step.value for step in target(DOCKERFILE, name) if step.keyword == "USER"]
        assert users[-1] == "10001:10001"


def test_a_build_without_a_target_makes_the_service() -> None:
    assert list(stages(DOCKERFILE))[-1] == "service"


def test_only_the_other_targets_install_tensorflow() -> None:
    def installs(name: str) -> str:
        return " ".join(step.value for step in target(DOCKERFILE, name) if step.keyword == "RUN")

    assert "tensorflow" not in installs("service")
    assert "[" not in installs("service")  # no extras at all
    assert "[tensorflow]" in installs("service-tensorflow")
    assert "[train,parquet]" in installs("trainer")


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint ships wheels for Linux on x86-64 alone")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_fills_the_store_before_it_serves() -> None:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    trainer, service = document["services"]["trainer"], document["services"]["service"]
    assert (trainer["build"]["target"], service["build"]["target"]) == ("trainer", "service")
    assert service["depends_on"] == {"trainer": {"condition": "service_completed_successfully"}}
    assert trainer["volumes"] == ["store:/store"]
    assert service["volumes"] == ["store:/store:ro"]
    assert "store" in document["volumes"]
    for part in (trainer, service):
        assert part["read_only"] is True
        assert part["tmpfs"] == ["/tmp"]  # noqa: S108 - inside the container
        assert part["cap_drop"] == ["ALL"]
    assert environment(target(DOCKERFILE, "service"))["LATENT_STORE"] == "/store"
    assert service["ports"] == ["${PORT:-8000}:8000"]


def test_compose_accepts_its_own_file() -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed")
    done = subprocess.run([compose, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment made by the COPY and RUN instructions of the service target, from those files alone."""
    context, venv = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("image") / "venv"
    steps = target(DOCKERFILE, "service")
    for step in steps:
        if step.keyword == "COPY":
            *sources, destination = shlex.split(step.value)
            for source in sources:
                _copy(ROOT / source, context / destination / ("" if (ROOT / source).is_dir() else source))
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    for step in steps:
        if step.keyword == "RUN" and "pip install" in step.value:
            command = [str(venv / "bin" / "python"), *shlex.split(step.value)[1:]]
            done = subprocess.run(
                command, cwd=context, env=_without_python_path(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    return venv


def test_the_image_has_no_tensorflow_and_all_it_needs(image: Path) -> None:
    listed = subprocess.run(
        [image / "bin" / "python", "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert {"latent", "openvino", "fastapi"} <= names
    assert not {name for name in names if re.match(r"tensorflow|keras|scikit-learn|matplotlib", name)}


@pytest.fixture(scope="module")
def service(image: Path, affine_store: ModelStore) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The target's CMD with the target's ENV, on a free port and over a store that was trained elsewhere."""
    steps = target(DOCKERFILE, "service")
    (command,) = [json.loads(step.value) for step in steps if step.keyword == "CMD"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {
        **_without_python_path(),
        **environment(steps),
        "PATH": f"{image / 'bin'}:{os.environ['PATH']}",
        "LATENT_STORE": str(affine_store.path),
        "LATENT_PORT": str(port),
        "LATENT_DRAIN_S": "0",
    }
    process = subprocess.Popen(
        command, env=variables, cwd=image, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _until_ready(process, port)
        yield process, variables
    finally:
        process.kill()
        process.wait()


def test_the_image_serves_and_its_health_check_passes(
    service: tuple[subprocess.Popen[str], dict[str, str]],
) -> None:
    process, variables = service
    port = variables["LATENT_PORT"]
    reply = httpx.post(
        f"http://127.0.0.1:{port}/encode", params={"model": "plain-vector"}, json={"inputs": [[1.0, 3.0]]}
    )
    assert reply.json()["z"] == [[2.0]]
    page = httpx.get(f"http://127.0.0.1:{port}/")
    files = re.findall(r'(?:src|href)="(explorer/[^"]+)"', page.text)
    assert len(files) >= 1
    assert {httpx.get(page.url.join(file)).status_code for file in files} == {200}
    (probe,) = [step.value for step in target(DOCKERFILE, "service") if step.keyword == "HEALTHCHECK"]
    command = json.loads(probe[probe.index("CMD ") + 4 :])
    assert subprocess.run(command, env=variables, check=False).returncode == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    failed = subprocess.run(command, env=variables, capture_output=True, check=False)
    assert failed.returncode != 0


def _until_ready(process: subprocess.Popen[str], port: int) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        assert process.poll() is None, "the service has stopped"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            continue
    raise AssertionError("the service was not ready within a minute")


def _copy(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, destination)


def _without_python_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LATENT_"))}
