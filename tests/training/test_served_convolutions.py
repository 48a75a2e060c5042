"""A trained convolutional network in the service: its largest batch size gets a program of its own."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import training
from model_store.artefacts import scan_half
from service.engines.openvino_engine import OpenVinoEngine
from service.models.loaded_version import LoadedVersion, call_largest_alone, load_version
from service.models.loading import Loader
from service.settings import Settings
from tests.support.server import START_S, RunningServer, running_server

LARGEST = 8


@pytest.fixture
def directory(picture_run: training.TrainResult) -> Path:
    return picture_run.report.parent


@pytest.fixture
def loaded(directory: Path) -> LoadedVersion:
    return load_version(directory, "openvino", lambda _: OpenVinoEngine(1), LARGEST)


def pictures(n: int) -> np.ndarray:
    """(n, 13, 10, 3) in [0, 1)."""
    return np.random.default_rng(5).random((n, 13, 10, 3), np.float32)


def test_the_largest_batch_says_the_same_from_a_program_of_its_own(directory: Path, loaded: LoadedVersion) -> None:
    x = {"x": pictures(LARGEST + 3)}
    codes = loaded.encoder.infer(x)["z_mean"]
    outputs = loaded.decoder.infer({"z": codes})["outputs"]
    call_largest_alone(directory, loaded, OpenVinoEngine(1))
    np.testing.assert_allclose(loaded.encoder.infer(x)["z_mean"], codes, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loaded.decoder.infer({"z": codes})["outputs"], outputs, rtol=1e-4, atol=1e-5)


def test_a_program_for_one_batch_takes_no_other(directory: Path) -> None:
    encoder = OpenVinoEngine(1).load(scan_half(directory / "encoder"), LARGEST)
    assert encoder.infer({"x": pictures(LARGEST)})["z_mean"].shape == (LARGEST, 3)
    with pytest.raises(Exception, match=r"shape|dimension"):
        encoder.infer({"x": pictures(LARGEST + 1)})


async def test_where_it_cannot_be_had_the_version_is_served_as_it_was(
    loaded: LoadedVersion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = loaded.encoder.infer({"x": pictures(LARGEST)})["z_mean"]
    loader = Loader(Settings(store=tmp_path), 1)
    assert await loader.call_largest_alone(tmp_path / "removed", loaded) == 0
    assert "no program for the largest batch" in capsys.readouterr().out
    loader.close()
    np.testing.assert_array_equal(loaded.encoder.infer({"x": pictures(LARGEST)})["z_mean"], before)


def occupied(server: RunningServer) -> int:
    """Bytes of the only version that is served."""
    (model,) = server.http.get("/models").json()["models"]
    memory_bytes: int = model["versions"][0]["memory_bytes"]
    return memory_bytes


def test_a_service_gets_one_and_says_the_same(picture_run: training.TrainResult) -> None:
    body = {"inputs": pictures(64).tolist()}
    with running_server(picture_run.report.parents[2]) as server:
        before = server.http.post("/encode", json=body).raise_for_status().json()["z"]
        deadline = time.monotonic() + START_S
        while not (told := [line for line in server.log_lines() if "largest batch" in line["event"]]):
            assert time.monotonic() < deadline, server.log_text()
            time.sleep(0.05)  # nothing tells a client that a version has settled in
        after = server.http.post("/encode", json=body).json()["z"]
        assert [line["event"] for line in told] == ["program for the largest batch"]
        (loaded,) = (line for line in server.log_lines() if line["event"] == "version loaded")
        assert occupied(server) == loaded["memory_bytes"] + told[0]["memory_bytes"]
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
