"""Choosing versions: aliases, damaged versions, empty stores; and their state in GET /models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from model_store import ModelStore
from tests.service.stores import flip_a_byte
from tests.service.wire import read_json, read_pixels
from tests.support.problems import assert_problem
from tests.support.publisher import republish
from tests.support.server import RunningServer, running_server

CODE = {"z": [[0, 0]]}


@pytest.fixture(scope="module")
def damaged_store(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """Copies of `image` under many names.

    `newest-bad` 1, 2 damaged. `only-bad` 1 damaged. `unreadable` 1 without a sound manifest. `pinned` 1 production,
    2 staging. `pinned-bad` 1, 2 damaged and production. `good` 1.
    """
    store = ModelStore(tmp_path_factory.mktemp("damaged") / "store")
    source = affine_store.directory("image", 1)
    for name, versions in {
        "newest-bad": 2,
        "only-bad": 1,
        "unreadable": 1,
        "pinned": 2,
        "pinned-bad": 2,
        "good": 1,
    }.items():
        for _ in range(versions):
            republish(store.path, name, source)
    store.promote("pinned@1")
    store.promote("pinned@2", "staging")
    store.promote("pinned-bad@2")
    flip_a_byte(store.directory("newest-bad", 2) / "encoder" / "saved_model.pb")
    flip_a_byte(store.directory("only-bad", 1) / "golden.npz")
    flip_a_byte(store.directory("pinned-bad", 2) / "decoder" / "saved_model.pb")
    flip_a_byte(store.directory("unreadable", 1) / "manifest.json")
    return store


@pytest.fixture(scope="module")
def server(damaged_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(damaged_store.path, default_model="good") as running:
        yield running


def versions(client: httpx.Client, name: str) -> list[dict[str, Any]]:
    models = {model["name"]: model["versions"] for model in client.get("/models").json()["models"]}
    listed: list[dict[str, Any]] = models[name]
    return listed


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("newest-bad", "newest-bad@1"),
        ("newest-bad@1", "newest-bad@1"),
        ("pinned", "pinned@1"),
        ("pinned@production", "pinned@1"),
        ("pinned@staging", "pinned@2"),
        ("pinned@latest", "pinned@2"),
        ("pinned@2", "pinned@2"),
        ("pinned-bad@1", "pinned-bad@1"),
        (None, "good@1"),
    ],
)
def test_the_version_that_a_name_means(server: RunningServer, reference: str | None, version: str) -> None:
    params = {"model": reference} if reference else {}
    response = server.http.post("/decode", params=params, json=CODE)
    assert read_json(response)["model"] == response.headers["x-latent-model"] == version


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("newest-bad@2", "encoder/saved_model.pb"),
        ("newest-bad@latest", "encoder/saved_model.pb"),
        ("only-bad", "golden.npz"),
        ("unreadable", "manifest"),
        ("pinned-bad", "decoder/saved_model.pb"),
        ("pinned-bad@production", "decoder/saved_model.pb"),
    ],
)
def test_a_version_that_cannot_be_served_says_why(server: RunningServer, reference: str, says: str) -> None:
    body = assert_problem(server.http.post("/decode", params={"model": reference}, json=CODE), 503, "not-ready")
    assert "is failed" in body["detail"]
    assert says in body["detail"]


def test_models_lists_every_version_with_its_state_and_reason(server: RunningServer) -> None:
    server.http.post("/decode?model=newest-bad", json=CODE)
    first, second = versions(server.http, "newest-bad")
    assert (first["version"], first["state"], first["engine"], first["reason"]) == (1, "ready", "openvino", None)
    assert (second["version"], second["state"], second["engine"]) == (2, "failed", None)
    assert second["reason"].startswith("FileAltered: ")
    assert first["family"] == second["family"] == "affine-vae"
    server.http.post("/decode?model=pinned", json=CODE)
    pinned = versions(server.http, "pinned")
    assert [version["aliases"] for version in pinned] == [["production"], ["staging"]]
    assert versions(server.http, "unreadable")[0]["family"] is None


def test_only_the_default_model_is_marked_so(server: RunningServer) -> None:
    models = server.http.get("/models").json()["models"]
    assert [model["name"] for model in models if model["default"]] == ["good"]
    assert [model["name"] for model in models] == sorted(model["name"] for model in models)


def test_a_model_by_name_is_the_version_that_the_name_means(server: RunningServer, damaged_store: ModelStore) -> None:
    server.http.post("/decode?model=pinned", json=CODE)
    reply = read_json(server.http.get("/models/pinned"))
    assert (reply["name"], reply["version"], reply["versions"], reply["aliases"]) == (
        "pinned",
        1,
        [1, 2],
        ["production"],
    )
    assert reply["state"] == "ready"
    assert reply["manifest"] == damaged_store.manifest("pinned", 1).model_dump(mode="json")
    assert reply["links"]["self"] == "/models/pinned/versions/1"
    assert set(reply["links"]["report"]) == {"history.csv", "metrics.json", "samples.png"}


def test_the_figures_of_a_report_are_served_below_their_version(server: RunningServer) -> None:
    links = read_json(server.http.get("/models/good/versions/1"))["links"]["report"]
    figure = server.http.get(links["samples.png"])
    assert figure.headers["content-type"] == "image/png"
    assert read_pixels(figure.content).tolist() == [[128] * 4] * 4
    table = server.http.get(links["history.csv"])
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[0] == "epoch,loss"
    assert read_json(server.http.get(links["metrics.json"])) == {"mse": 0.25}


def test_a_manifest_that_cannot_be_read_is_null(server: RunningServer) -> None:
    reply = read_json(server.http.get("/models/unreadable/versions/1"))
    assert reply["manifest"] is None
    assert reply["state"] == "failed"


def test_a_version_published_since_is_listed_and_served_at_once(
    server: RunningServer, damaged_store: ModelStore, affine_store: ModelStore
) -> None:
    republish(damaged_store.path, "later", affine_store.directory("image", 1))
    assert versions(server.http, "later")[0]["state"] in ("available", "loading", "ready")
    assert read_json(server.http.post("/decode?model=later", json=CODE))["model"] == "later@1"
    assert versions(server.http, "later")[0]["state"] == "ready"


def test_readiness_is_that_of_the_default_model(damaged_store: ModelStore) -> None:
    with running_server(damaged_store.path, ready=503, default_model="only-bad") as server:
        server.http.post("/decode", json=CODE)
        assert "golden.npz" in assert_problem(server.http.get("/readyz"), 503, "not-ready")["detail"]
        assert server.http.get("/livez").json() == {"status": "alive"}
        assert server.http.post("/decode?model=good", json=CODE).status_code == 200


def test_an_empty_store_is_alive_and_not_ready(tmp_path: Path) -> None:
    for store in (tmp_path, tmp_path / "missing"):
        with running_server(store, ready=503) as server:
            assert "no model" in assert_problem(server.http.get("/readyz"), 503, "not-ready")["detail"]
            assert_problem(server.http.post("/decode", json=CODE), 503, "not-ready")
            assert_problem(server.http.get("/sample"), 503, "not-ready")
            assert_problem(server.http.get("/sample?model=image"), 404, "unknown-model")
            reply = server.http.get("/models").json()
            assert reply["models"] == []
            assert ("does not exist" if store.name == "missing" else "has no model") in reply["store"][0]
            assert server.http.get("/").status_code == 200
            assert_problem(server.http.get("/models/image/map"), 404, "unknown-model")


def test_one_model_alone(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, model="vector") as server:
        assert [model["name"] for model in server.http.get("/models").json()["models"]] == ["vector"]
        reply = read_json(server.http.post("/decode", json=CODE))
        assert reply["model"] == "vector@1"
        np.testing.assert_allclose(reply["outputs"], [[10, 20, 30]])
        assert (
            "vector"
            in assert_problem(server.http.post("/decode?model=image", json=CODE), 404, "unknown-model")["detail"]
        )


def test_one_version_alone_is_what_its_name_means(damaged_store: ModelStore) -> None:
    with running_server(damaged_store.path, model="pinned@2") as server:
        assert read_json(server.http.post("/decode", json=CODE))["model"] == "pinned@2"
