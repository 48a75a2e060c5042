"""The service against its OpenAPI document: what schemathesis generates from it is answered as the document says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model_store import ModelStore
from tests.support.server import ROOT, running_server

LONGEST_S = 280

# One document is for all models, and what is right depends on the model: the length of its codes, whether it takes
# labels or pictures. And an option may stand in the query or in the body, but not in both, which OpenAPI cannot say.
EXCEPTION = "positive_data_acceptance"


@pytest.mark.timeout(LONGEST_S + 60)
def test_the_service_does_what_its_document_says(affine_store: ModelStore, tmp_path: Path) -> None:
    """Examples, edges, random values and chains of requests, the same in every run; see schemathesis.toml."""
    with running_server(affine_store.path, engine="openvino", default_model="image", admin_key="key") as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", ROOT / "tests" / "hostile" / "schemathesis.toml"),
                *("run", ROOT / "docs" / "openapi.json", "--url", server.url),
                *("--checks", "all", "--exclude-checks", EXCEPTION),
                *("--phases", "examples,coverage,fuzzing,stateful"),
                *("--header", "Authorization: Bearer key", "--continue-on-failure", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        errors = [line for line in server.log_lines() if line.get("level") == "error"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert errors == []
