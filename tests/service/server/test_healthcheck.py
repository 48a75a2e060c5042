"""The health check of the images finds the service by the settings, whatever the surroundings put among them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from model_store import ModelStore
from service.server.healthcheck import connection_to
from tests.support.server import ROOT, running_server


def check(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run the check with these variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENT_")}
    return subprocess.run(
        [sys.executable, "-m", "service.server.healthcheck"],
        cwd=ROOT,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "host", "port"),
    [
        ({}, "127.0.0.1", 8000),
        ({"LATENT_HOST": "0.0.0.0", "LATENT_PORT": "9000"}, "127.0.0.1", 9000),  # noqa: S104 - nothing listens
        ({"LATENT_HOST": "::"}, "::1", 8000),
        ({"LATENT_HOST": "[fd00::1]", "LATENT_PORT": " 9000\n"}, "fd00::1", 9000),
        ({"LATENT_HOST": "", "LATENT_PORT": ""}, "127.0.0.1", 8000),
        ({"LATENT_PORT": "tcp://10.96.0.12:80", "LATENT_SERVICE_HOST": "10.96.0.12"}, "127.0.0.1", 8000),
    ],
)
def test_it_asks_where_the_service_listens(variables: dict[str, str], host: str, port: int) -> None:
    connection = connection_to(variables)
    assert (connection.host, connection.port) == (host, port)


def test_it_passes_while_the_service_runs_and_fails_after(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, load="lazy") as server:
        assert check(LATENT_HOST="0.0.0.0", LATENT_PORT=str(server.port)).returncode == 0  # noqa: S104
    failed = check(LATENT_PORT=str(server.port))
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert check(LATENT_PORT="http").stderr.startswith("not alive: ")
