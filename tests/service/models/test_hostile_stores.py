"""A service over a store that is littered, partly unreadable, or gone: it says what is wrong, serves on, and heals."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_store import ModelStore
from model_store.aliases import ALIASES
from tests.model_store.test_verify import reseal
from tests.service.stores import (
    CODE,
    WATCH_S,
    Publisher,
    models,
    serves,
    states,
    wait_for_log,
    wait_until,
)
from tests.support.problems import assert_problem
from tests.support.restricted import PREFIX, needs_permissions, take_away
from tests.support.server import RunningServer, running_server

DENIED = "cannot be read (Permission denied)"


@pytest.fixture
def store(affine_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A store with two models, `m` and `other`."""
    found = ModelStore(tmp_path / "store")
    for name in ("m", "other"):
        Publisher(found, affine_store, name).publish("vector")
    return found


@pytest.fixture
def publisher(store: ModelStore, affine_store: ModelStore) -> Publisher:
    return Publisher(store, affine_store, "m")


@pytest.fixture
def server(store: ModelStore) -> Iterator[RunningServer]:
    """A service for which permissions hold."""
    with running_server(store.path, prefix=PREFIX, watch_s=WATCH_S, default_model="m", engine="openvino") as running:
        yield running


def troubles(server: RunningServer) -> list[str]:
    """What GET /models says of the store."""
    found: list[str] = server.http.get("/models").json()["store"]
    return found


def wait_for_trouble(server: RunningServer, trouble: str | None) -> None:
    """Ask until the store is in this trouble, or in none."""
    wait_until(server, "m", lambda _model: next(iter(troubles(server)), None) == trouble)


# -- permissions -------------------------------------------------------------------------------------------


@needs_permissions
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("m", f"m {DENIED}"),
        ("m/1", f"m@1 is failed (FileUnreadable: manifest.sha256 {DENIED})"),
        ("m/1/manifest.json", f"m@1 is failed (FileUnreadable: manifest.json {DENIED})"),
        ("m/1/encoder", f"m@1 is failed (FileUnreadable: encoder {DENIED})"),
        ("m/1/encoder/saved_model.pb", f"m@1 is failed (FileUnreadable: encoder/saved_model.pb {DENIED})"),
    ],
)
def test_what_may_not_be_read_is_told_everywhere_and_served_once_it_may_be(
    store: ModelStore, path: str, says: str
) -> None:
    give_back = take_away(store.path / path)
    with running_server(
        store.path, prefix=PREFIX, ready=503, watch_s=WATCH_S, default_model="m", engine="openvino"
    ) as server:
        wait_until(server, "m", lambda _model: says in server.http.get("/readyz").text)
        assert_problem(server.http.get("/readyz"), 503, "not-ready")
        assert says in assert_problem(server.http.post("/decode", json=CODE), 503, "not-ready")["detail"]
        assert DENIED in server.http.get("/models").text
        assert DENIED in server.log_text()
        assert server.http.post("/decode?model=other", json=CODE).status_code == 200
        give_back()
        server.wait_for("/readyz", 200)
        assert server.http.post("/decode", json=CODE).status_code == 200
        wait_for_trouble(server, None)


@needs_permissions
def test_a_store_that_may_not_be_read_is_served_once_it_may_be(store: ModelStore) -> None:
    give_back = take_away(store.path)
    with running_server(store.path, prefix=PREFIX, ready=503, watch_s=WATCH_S, default_model="m") as server:
        detail = assert_problem(server.http.get("/readyz"), 503, "not-ready")["detail"]
        assert detail == f"there is no model to serve: the store {DENIED}"
        assert troubles(server) == [f"the store {DENIED}"]
        assert str(store.path) in wait_for_log(server, "the store cannot be read")["reason"]
        assert_problem(server.http.post("/decode?model=m", json=CODE), 503, "not-ready")
        give_back()
        server.wait_for("/readyz", 200)
        wait_for_log(server, "the store can be read again")


@needs_permissions
def test_while_it_serves_what_was_loaded_goes_on(
    server: RunningServer, store: ModelStore, publisher: Publisher
) -> None:
    give_back = take_away(store.path / "m")
    wait_for_trouble(server, f"m {DENIED}")
    listed = models(server.http)["m"]
    assert (listed["serves"], states(listed)) == (1, {1: "ready"})
    assert listed["reason"] == f"m {DENIED}"
    ready = server.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "store": [f"m {DENIED}"]})
    assert server.http.post("/decode", json=CODE).status_code == 200
    assert "latent_store_unreadable 1.0" in server.http.get("/metrics").text
    give_back()
    publisher.publish("vector")
    wait_until(server, "m", serves(2))
    wait_for_trouble(server, None)
    assert server.http.get("/readyz").json() == {"status": "ready"}


@needs_permissions
def test_somebody_elses_directory_beside_the_models_is_no_model(store: ModelStore) -> None:
    """The only model stays the one that a request without a name means."""
    (store.path / "other").rename(store.path.with_name("away"))
    (store.path / "private").mkdir()
    take_away(store.path / "private")
    with running_server(store.path, prefix=PREFIX, watch_s=WATCH_S) as server:
        assert server.http.post("/decode", json=CODE).status_code == 200
        assert troubles(server) == [f"private {DENIED}"]
        assert models(server.http)["private"]["versions"] == []
        refused = server.http.post("/decode?model=private", json=CODE)
        assert assert_problem(refused, 503, "not-ready")["detail"] == f"private {DENIED}"


@needs_permissions
def test_aliases_that_may_not_be_read_stay_what_they_were(
    server: RunningServer, store: ModelStore, publisher: Publisher
) -> None:
    publisher.promote(1)
    wait_until(server, "m", lambda model: model["versions"][0]["aliases"] == ["production"])
    give_back = take_away(store.path / "m" / ALIASES)
    publisher.publish("vector")
    listed = wait_until(server, "m", lambda model: len(model["versions"]) == 2 and model["reason"])
    assert listed["reason"] == f"{ALIASES} of m {DENIED}"
    assert listed["serves"] == 1
    give_back()
    publisher.promote(2)
    wait_until(server, "m", serves(2))


# -- what is no file, and what is too large ----------------------------------------------------------------


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)


@pytest.mark.parametrize("put", [pipe, directory, huge])
def test_aliases_that_are_no_small_file_are_told_and_not_waited_for(
    server: RunningServer, store: ModelStore, put: Callable[[Path], None]
) -> None:
    put(store.path / "m" / ALIASES)
    listed = wait_until(server, "m", lambda model: model["reason"])
    assert listed["reason"].startswith(f"{ALIASES} of m cannot be read (")
    assert server.http.get("/readyz").json()["store"] == [listed["reason"]]
    assert server.http.post("/decode", json=CODE).status_code == 200


@pytest.mark.parametrize("put", [pipe, directory, huge])
@pytest.mark.parametrize("file", ["manifest.json", "manifest.sha256", "golden.npz", "encoder/saved_model.pb"])
def test_a_version_with_something_else_in_the_place_of_a_file_fails(
    server: RunningServer, publisher: Publisher, tmp_path: Path, put: Callable[[Path], None], file: str
) -> None:
    aside = Publisher(ModelStore(tmp_path / "aside"), publisher.source, "m")
    for _ in range(2):
        aside.publish("vector")
    put(aside.directory(2) / file)
    aside.directory(2).rename(publisher.directory(2))
    listed = wait_until(server, "m", lambda model: states(model).get(2) == "failed")
    assert file in listed["versions"][1]["reason"]
    assert listed["serves"] == 1
    assert server.http.post("/decode", json=CODE).status_code == 200


@pytest.mark.parametrize(("put", "status"), [(pipe, 404), (directory, 404)])
def test_a_figure_that_is_no_file_any_more(
    server: RunningServer, publisher: Publisher, put: Callable[[Path], None], status: int
) -> None:
    put(publisher.directory(1) / "report" / "samples.png")
    refused = server.http.get("/models/m/versions/1/report/samples.png")
    assert_problem(refused, status, "not-found")


def test_a_tolerance_that_proves_nothing_is_refused_at_load(
    server: RunningServer, publisher: Publisher, tmp_path: Path
) -> None:
    """Its weights are broken: with a sane tolerance the goldens would tell."""
    aside = Publisher(ModelStore(tmp_path / "aside"), publisher.source, "m")
    aside.publish("vector")
    aside.publish_unproven("vector")
    reseal(aside.directory(2), lambda document: document["tolerance"].update(atol=1e308))
    aside.directory(2).rename(publisher.directory(2))
    listed = wait_until(server, "m", lambda model: states(model).get(2) == "failed")
    assert listed["versions"][1]["reason"].startswith("ToleranceTooWide: tolerance.atol is 1e+308; at most ")
    assert listed["serves"] == 1


# -- litter ------------------------------------------------------------------------------------------------


def test_a_littered_version_is_loaded_and_loads_again(store: ModelStore) -> None:
    for place in ("", "m", "m/1", "m/1/encoder", "m/1/encoder/variables", "m/1/report"):
        for name in (".DS_Store", "._manifest.json", "Thumbs.db", ".nfs00000000000123", "desktop.ini"):
            (store.path / place / name).write_bytes(b"x")
        (store.path / place / "@eaDir").mkdir()
        os.mkfifo(store.path / place / ".fuse_hidden01")
    for _ in range(2):
        with running_server(store.path, watch_s=WATCH_S, default_model="m", engine="openvino") as server:
            assert server.http.post("/decode", json=CODE).status_code == 200
            assert troubles(server) == []
            assert server.http.get("/models/m/map").status_code == 200


# -- a store that goes and comes back ----------------------------------------------------------------------


def test_a_store_that_is_gone_is_told_and_taken_up_again(
    server: RunningServer, store: ModelStore, publisher: Publisher
) -> None:
    wait_until(server, "other", serves(1))
    away = store.path.rename(store.path.with_name("away"))
    wait_for_trouble(server, "the store does not exist")
    ready: dict[str, Any] = server.http.get("/readyz").json()
    assert ready == {"status": "ready", "store": ["the store does not exist"]}
    assert list(models(server.http)) == ["m", "other"]
    assert server.http.post("/decode", json=CODE).status_code == 200
    store.path.mkdir()
    wait_for_trouble(server, "the store has no model")
    assert server.http.post("/decode?model=other", json=CODE).status_code == 200
    store.path.rmdir()
    away.rename(store.path)
    wait_for_log(server, "the store can be read again")
    publisher.publish("vector")
    wait_until(server, "m", serves(2))
    wait_for_trouble(server, None)
    assert "version removed" not in server.log_text()


def test_a_file_in_the_place_of_the_store(server: RunningServer, store: ModelStore) -> None:
    store.path.rename(store.path.with_name("away"))
    store.path.touch()
    wait_for_trouble(server, "the store cannot be read (Not a directory)")
    assert server.http.post("/decode", json=CODE).status_code == 200
