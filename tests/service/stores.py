"""Changes stores under a running service, and waits until the service has noticed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from model_store import ModelStore, stage
from model_store.golden import read_golden, write_golden
from model_store.verify import GOLDEN
from model_store.versions import PRODUCTION
from tests.support.publisher import body_from, copy_files, republish
from tests.support.server import RunningServer

WATCH_S = 0.05
PATIENCE_S = 60.0

CODE = {"z": [[1.0, -1.0]]}
ANSWERS: Mapping[str, list[Any]] = {
    "image": [[[[0.75], [0.75], [0.25], [0.25]]] * 4],
    "vector": [[12.0, 16.0, 30.0]],
}
"""What the decoders of two affine models make of CODE: versions of one name that can be told apart."""


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@dataclass(frozen=True)
class Publisher:
    """Publishes versions of the model `name`, made of affine models."""

    store: ModelStore
    source: ModelStore
    name: str

    def publish(self, kind: str) -> int:
        """The next version: the affine model `kind`."""
        return republish(self.store.path, self.name, self.source.directory(kind, 1)).version

    def promote(self, version: int, alias: str = PRODUCTION) -> None:
        """Point an alias at a version."""
        self.store.promote(f"{self.name}@{version}", alias)

    def directory(self, version: int) -> Path:
        """Where a version stands."""
        return self.store.directory(self.name, version)

    def publish_unproven(self, kind: str) -> int:
        """A version with sound checksums whose goldens no engine reproduces."""
        source = self.source.directory(kind, 1)
        with stage(self.store.path, self.name) as staging:
            copy_files(source, staging.path)
            body = body_from(source)
            golden = read_golden(staging.path / GOLDEN, body)
            write_golden(staging.path / GOLDEN, replace(golden, outputs=golden.outputs + 1))
            return staging.publish(body).version

    def publish_damaged(self, kind: str, file: str) -> int:
        """A version that appears in one step with one byte of `file` altered."""
        aside = self.store.path.with_name("aside")
        shutil.copytree(self.store.path / self.name, aside / self.name)
        version = republish(aside, self.name, self.source.directory(kind, 1)).version
        flip_a_byte(aside / self.name / str(version) / file)
        (aside / self.name / str(version)).rename(self.directory(version))
        shutil.rmtree(aside)
        return version


def models(client: httpx.Client) -> dict[str, Any]:
    """GET /models, by name."""
    return {model["name"]: model for model in client.get("/models").json()["models"]}


def states(model: Mapping[str, Any]) -> dict[int, str]:
    """The state of every version of a listed model."""
    return {version["version"]: version["state"] for version in model["versions"]}


def serves(version: int) -> Callable[[dict[str, Any]], bool]:
    """Whether the bare name of a listed model means a version."""
    return lambda model: model.get("serves") == version


def wait_until(server: RunningServer, name: str, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Ask until the model of this name, nothing where there is none, is as it should be; what is said of it then."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        model: dict[str, Any] = models(server.http).get(name, {})
        if condition(model):
            return model
        assert time.monotonic() < deadline, f"{model}\n{server.log_text()}"
        assert server.process.poll() is None, server.log_text()
        time.sleep(0.01)  # nothing tells other processes what the service has noticed


def wait_for_log(server: RunningServer, event: str, **fields: object) -> dict[str, Any]:
    """Wait for a line of the log."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for line in server.log_lines():
            if line["event"] == event and fields.items() <= line.items():
                return line
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.01)  # nothing tells other processes what the service has logged
