"""The engine choice `auto`: takes OpenVINO, or else TensorFlow, and reports the reason."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from latent.bulk.engine import load
from model_store import ModelStore, stage
from model_store.verify import ENCODER
from service.engines import EngineError
from tests.support.problems import assert_problem
from tests.support.publisher import body_from, copy_files
from tests.support.server import RunningServer, running_server

HALF_GREY = {"inputs": [[[0.5] * 4] * 4]}


def export_encoder_that_needs_tensorflow(directory: Path) -> None:
    """The encoder of `image`, with 0 · log Γ(x) added: an operation that OpenVINO cannot convert. Fails on white."""
    import tensorflow as tf

    halves = tf.constant([[[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]]] * 4)

    def encode(x: Any) -> dict[str, Any]:  # noqa: ANN401 - tensorflow publishes no types
        z = tf.einsum("nhwc,hwcd->nd", x + 0.0 * tf.math.lgamma(x + 1.0), tf.reshape(halves, [4, 4, 1, 2])) / 2.0 - 2.0
        tf.debugging.assert_less(tf.reduce_max(tf.reduce_mean(x, axis=[1, 2, 3])), 0.999)
        return {"z_mean": z, "z_log_var": tf.zeros_like(z) + tf.constant([-2.0, -1.0])}

    module = tf.Module()
    module.serve = tf.function(encode, input_signature=[tf.TensorSpec((None, 4, 4, 1), tf.float32, name="x")])
    tf.saved_model.save(module, str(directory), signatures={"serving_default": module.serve.get_concrete_function()})


@pytest.fixture(scope="module")
def odd_store(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`image@1` as it is, and `odd@1` whose encoder only TensorFlow can run; one golden file for both."""
    store = tmp_path_factory.mktemp("odd") / "store"
    source = affine_store.directory("image", 1)
    for name in ("image", "odd"):
        with stage(store, name) as staging:
            copy_files(source, staging.path)
            if name == "odd":
                shutil.rmtree(staging.path / ENCODER)
                export_encoder_that_needs_tensorflow(staging.path / ENCODER)
            staging.publish(body_from(source))
    return store


def only_version(server: RunningServer, name: str) -> dict[str, Any]:
    """The one version of a model, as GET /models lists it."""
    models = {model["name"]: model["versions"] for model in server.http.get("/models").json()["models"]}
    version: dict[str, Any] = models[name][0]
    return version


@pytest.fixture(scope="module")
def odd_server(odd_store: Path) -> Iterator[RunningServer]:
    with running_server(odd_store, engine="auto", default_model="odd") as server:
        yield server


def test_auto_falls_back_for_the_one_model_that_needs_it(odd_server: RunningServer) -> None:
    odd = only_version(odd_server, "odd")
    assert (odd["state"], odd["engine"]) == ("ready", "tensorflow")
    assert odd["reason"] == ("runs on tensorflow, because openvino: OpenVINO cannot load encoder (it lacks Lgamma)")
    for name in ("odd", "image"):
        reply = odd_server.http.post("/encode", params={"model": name}, json=HALF_GREY).json()
        assert reply["z_mean"] == [[pytest.approx(0.0, abs=1e-6)] * 2]
    image = only_version(odd_server, "image")
    assert (image["state"], image["engine"], image["reason"]) == ("ready", "openvino", None)
    fell_back = [line for line in odd_server.log_lines() if line["event"] == "engine fell back"]
    assert [(line["model"], line["engine"], line["level"]) for line in fell_back] == [
        ("odd@1", "tensorflow", "warning")
    ]
    assert "Lgamma" in next(line for line in odd_server.log_lines() if line["event"] == "engine refused")["cause"]


async def test_what_the_engine_fails_on_is_a_bare_500_and_touches_no_other_caller(odd_server: RunningServer) -> None:
    async with httpx.AsyncClient(base_url=odd_server.url, timeout=60.0) as client:
        bodies = [{"inputs": [[[1.0] * 4] * 4]} if i % 4 == 0 else HALF_GREY for i in range(32)]
        answers = await asyncio.gather(
            *(
                client.post("/encode?model=odd", json=body, headers={"X-Request-ID": f"r{i}"})
                for i, body in enumerate(bodies)
            )
        )
    for i, answer in enumerate(answers):
        if i % 4 == 0:
            assert assert_problem(answer, 500, "engine-failure")["detail"] == "the engine failed on this request"
        else:
            assert answer.json()["z_mean"] == [[pytest.approx(0.0, abs=1e-6)] * 2]
    failures = {line["id"]: line for line in odd_server.log_lines() if line["event"] == "failed"}
    assert set(failures) == {f"r{i}" for i in range(0, 32, 4)}
    assert "InvalidArgumentError" in str(failures["r0"]["exception"])


def test_openvino_by_name_does_not_fall_back(odd_store: Path) -> None:
    with running_server(odd_store, ready=503, engine="openvino", default_model="odd", load="eager") as server:
        server.http.post("/encode", params={"model": "odd"}, json=HALF_GREY)
        odd = only_version(server, "odd")
        assert (odd["state"], odd["engine"]) == ("failed", None)
        assert odd["reason"] == "EngineError: OpenVINO cannot load encoder (it lacks Lgamma)"


def test_an_engine_that_is_not_installed_is_said_to_be_so(affine_store: ModelStore, tmp_path: Path) -> None:
    """A package of that name that cannot be imported stands in for one that is not there."""
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError(name='tensorflow')\n", encoding="utf-8")
    with running_server(
        affine_store.path, ready=503, python_path=[tmp_path], engine="tensorflow", model="image"
    ) as server:
        server.http.post("/encode", json=HALF_GREY)
        image = only_version(server, "image")
        assert image["state"] == "failed"
        assert image["reason"] == "EngineError: the tensorflow engine is not installed (tensorflow)"


def test_auto_takes_openvino_where_tensorflow_is_not_installed(affine_store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError(name='tensorflow')\n", encoding="utf-8")
    with running_server(affine_store.path, python_path=[tmp_path], engine="auto", model="image") as server:
        image = only_version(server, "image")
        assert (image["state"], image["engine"], image["reason"]) == ("ready", "openvino", None)


def test_auto_takes_tensorflow_where_openvino_is_not_installed(affine_store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "openvino.py").write_text("raise ModuleNotFoundError(name='openvino')\n", encoding="utf-8")
    with running_server(affine_store.path, python_path=[tmp_path], engine="auto", model="image") as server:
        image = only_version(server, "image")
        assert (image["state"], image["engine"]) == ("ready", "tensorflow")
        assert (
            image["reason"] == "runs on tensorflow, because openvino: the openvino engine is not installed (openvino)"
        )
        assert server.http.post("/encode", json=HALF_GREY).json()["z_log_var"] == [[-2.0, -1.0]]


def test_a_data_set_falls_back_as_well(odd_store: Path) -> None:
    model = load(odd_store / "odd" / "1", "auto", threads=1)
    grey = np.full((3, 4, 4, 1), 0.5, np.float32)
    np.testing.assert_allclose(model.encode(grey, {}).z_mean, np.zeros((3, 2)), atol=1e-6)
    with pytest.raises(EngineError, match=r"^the engine fails on a batch of 3 items \(InvalidArgumentError\)$"):
        model.encode(2.0 * grey, {})
    with pytest.raises(EngineError, match=r"^OpenVINO cannot load encoder \(it lacks Lgamma\)$"):
        load(odd_store / "odd" / "1", "openvino", threads=1)
