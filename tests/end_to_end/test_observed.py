"""Observability: one log line for each request, and correct metrics."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from model_store import ModelStore
from tests.service.wire import NPY, npy, read_npy
from tests.support.server import RunningServer, running_server


@pytest.fixture
def server(affine_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(affine_store.path, log_level="info") as running:
        yield running


def metrics(server: RunningServer) -> dict[str, Metric]:
    response = server.http.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(response.text)}


def value(family: Metric, name: str, **labels: str) -> float:
    return sum(
        sample.value for sample in family.samples if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_every_request_is_one_json_line_with_the_same_fields(server: RunningServer) -> None:
    server.http.post("/decode?model=image", json={"z": [[0, 0]] * 3}, headers={"X-Request-ID": "first"})
    server.http.get("/sample?model=rgb&n=2", headers={"X-Request-ID": "second"})
    server.http.post("/decode?model=none", json={}, headers={"X-Request-ID": "third"})
    server.http.head("/models", headers={"X-Request-ID": "fourth"})
    server.http.get("/livez", headers={"X-Request-ID": "quiet"})
    server.terminate()
    assert server.exit_code() == 0
    lines = server.log_lines()
    assert len(lines) == len(server.log_text().splitlines())
    requests = {line["id"]: line for line in lines if line["event"] == "request" and len(line["id"]) < 32}
    assert {name: (line["model"], line["verb"], line["items"], line["status"]) for name, line in requests.items()} == {
        "first": ("image@1", "POST /decode", 3, 200),
        "second": ("rgb@1", "GET /sample", 2, 200),
        "third": (None, "POST /decode", 0, 404),
        "fourth": (None, "HEAD /models", 0, 200),
    }
    for line in requests.values():
        assert set(line) == {"id", "model", "verb", "items", "status", "milliseconds", "event", "level", "timestamp"}
        assert 0 < line["milliseconds"] < 30_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["timestamp"])


def test_loading_and_stopping_are_logged(server: RunningServer) -> None:
    server.http.post("/decode?model=vector", json={"z": [[0, 0]]})
    server.http.post("/decode?model=sequence", json={"z": [[0, 0, 0]]})
    server.terminate()
    assert server.exit_code() == 0
    loaded = {line["model"]: line["engine"] for line in server.log_lines() if line["event"] == "version loaded"}
    assert loaded["vector@1"] == loaded["sequence@1"] == "openvino"
    assert server.log_lines()[-1]["event"] in ("stopping", "request")


def test_logs_for_people(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, model="image", log_format="console", log_level="debug") as server:
        server.http.post("/decode", json={"z": [[0, 0]]}, headers={"X-Request-ID": "mine"})
        server.terminate()
        assert server.exit_code() == 0
        line = next(line for line in server.log_text().splitlines() if "id=mine" in line)
        assert "POST /decode" in line
        assert "status=200" in line
        assert "GET /readyz" in server.log_text()
        assert "\x1b" not in server.log_text()


def test_metrics_count_requests_items_and_engine_calls(server: RunningServer) -> None:
    for n in (1, 2, 5):
        server.http.post("/decode?model=image", json={"z": [[0, 0]] * n})
    server.http.post("/reconstruct?model=image", json={"inputs": [[[0.5] * 4] * 4] * 4})
    server.http.post("/decode?model=image", json={"z": [[0]]})
    server.http.get("/no/such/path/4711")
    found = metrics(server)
    requests = found["latent_requests"]
    assert value(requests, "latent_requests_total", verb="/decode", model="image", status="200") == 3
    assert value(requests, "latent_requests_total", verb="/decode", model="image", status="422") == 1
    assert value(requests, "latent_requests_total", verb="/reconstruct", model="image", status="200") == 1
    assert value(requests, "latent_requests_total", verb="unmatched", status="404") == 1
    assert value(found["latent_items"], "latent_items_total", verb="/decode", model="image") == 8
    assert value(found["latent_items"], "latent_items_total", verb="/reconstruct", model="image") == 4
    assert value(found["latent_request_seconds"], "latent_request_seconds_count", verb="/decode") == 4
    decoder = {"model": "image", "half": "decoder"}
    assert value(found["latent_batch_items"], "latent_batch_items_count", **decoder) == 4
    assert value(found["latent_batch_items"], "latent_batch_items_sum", **decoder) == 12
    assert value(found["latent_queue_seconds"], "latent_queue_seconds_count", **decoder) == 4
    assert value(found["latent_infer_seconds"], "latent_infer_seconds_sum", **decoder) > 0
    assert value(found["latent_batch_items"], "latent_batch_items_sum", model="image", half="encoder") == 4


def test_metrics_tell_the_state(server: RunningServer) -> None:
    server.http.post("/decode?model=vector", json={"z": [[0, 0]]})
    found = metrics(server)
    assert value(found["latent_ready"], "latent_ready") == 1
    ready = found["latent_version_ready"]
    assert value(ready, "latent_version_ready", model="vector", version="1", engine="openvino") == 1
    assert value(found["latent_waiting_items"], "latent_waiting_items") == 0
    assert value(found["latent_build_info"], "latent_build_info") == 1


async def test_two_hundred_callers_of_every_model_get_their_own_answers(server: RunningServer) -> None:
    """Batches mix callers, never their rows: decode z = k of each, all at once, on kept-alive connections."""
    models = {"image": 2, "rgb": 2, "vector": 2, "plain-vector": 1, "sequence": 3}
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(base_url=server.url, timeout=60.0, limits=limits) as client:

        async def ask(k: int, model: str, latent_dim: int) -> httpx.Response:
            z = np.full((1 + k % 5, latent_dim), k / 25 - 1, np.float32)
            headers = {**NPY, "Accept": "application/x-npy"}
            return await client.post("/decode", params={"model": model}, content=npy(z), headers=headers)

        jobs = [(k, model, dim) for k in range(40) for model, dim in models.items()]
        answers = await asyncio.gather(*(ask(*job) for job in jobs))
    for (k, model, _), answer in zip(jobs, answers, strict=True):
        outputs, z = read_npy(answer), k / 25 - 1
        assert len(outputs) == 1 + k % 5
        expected = {"image": (z + 2) / 4, "rgb": (z + 2) / 4, "vector": 10 + 2 * z, "plain-vector": z, "sequence": z}
        np.testing.assert_allclose(outputs.reshape(len(outputs), -1)[:, 0], expected[model], rtol=1e-5, atol=1e-6)
    assert value(metrics(server)["latent_requests"], "latent_requests_total", verb="/decode", status="200") == 200
