"""Changes of the store while requests run: names move to new versions, and no request fails.

One service watches, one does not and has a key; each test has a model of its own, `name`.
"""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from model_store import ModelStore
from model_store.aliases import ALIASES
from tests.service.stores import (
    ANSWERS,
    CODE,
    WATCH_S,
    Publisher,
    flip_a_byte,
    models,
    serves,
    states,
    wait_for_log,
    wait_until,
)
from tests.service.wire import read_json
from tests.support.problems import assert_problem
from tests.support.raw_http import ANSWER_S, request
from tests.support.server import RunningServer, running_server

KEY = "a key that nobody guesses, with ümlauts"
BEARER = {b"Authorization": f"Bearer {KEY}".encode()}

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def stores(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelStore]:
    """A store for each service; the default model is `first`."""
    made = {}
    for name in ("watched", "unwatched"):
        made[name] = ModelStore(tmp_path_factory.mktemp(name) / "store")
        Publisher(made[name], affine_store, "first").publish("image")
    return made


@pytest.fixture(scope="module")
def server(stores: dict[str, ModelStore]) -> Iterator[RunningServer]:
    with running_server(stores["watched"].path, watch_s=WATCH_S, engine="openvino", default_model="first") as running:
        yield running


@pytest.fixture(scope="module")
def unwatched(stores: dict[str, ModelStore]) -> Iterator[RunningServer]:
    with running_server(
        stores["unwatched"].path, watch_s=0, engine="openvino", default_model="first", admin_key=KEY
    ) as running:
        yield running


@pytest.fixture
def name() -> str:
    return f"m{next(_numbers)}"


@pytest.fixture
def publisher(server: RunningServer, stores: dict[str, ModelStore], affine_store: ModelStore, name: str) -> Publisher:
    """Version 1 of `name` is `image`, and served."""
    publisher = Publisher(stores["watched"], affine_store, name)
    publisher.publish("image")
    wait_until(server, name, serves(1))
    return publisher


@pytest.fixture
def by_hand(unwatched: RunningServer, stores: dict[str, ModelStore], affine_store: ModelStore, name: str) -> Publisher:
    """The same, for the service that does not watch."""
    publisher = Publisher(stores["unwatched"], affine_store, name)
    publisher.publish("image")
    assert read_json(reload(unwatched, name))["serves"] == 1
    return publisher


def decoded(server: RunningServer, reference: str) -> tuple[str, str]:
    """The version that answers, and the affine model whose numbers came."""
    reply = read_json(server.http.post("/decode", params={"model": reference}, json=CODE))
    return reply["model"].partition("@")[2], kind_of(reply["outputs"])


def kind_of(outputs: object) -> str:
    return next(kind for kind, expected in ANSWERS.items() if expected == outputs)


def reload(server: RunningServer, name: str) -> httpx.Response:
    return server.http.post(f"/models/{name}/reload", headers=BEARER)


def aliases(model: dict[str, Any]) -> dict[int, list[str]]:
    return {version["version"]: version["aliases"] for version in model["versions"]}


def metric(server: RunningServer, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(server.http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def failures(server: RunningServer, name: str) -> list[str]:
    """Reasons of the versions of a model that have failed to load, as often as they were tried."""
    lines = [line for line in server.log_lines() if line["event"] == "version failed"]
    return [line["reason"] for line in lines if line["model"].partition("@")[0] == name]


# -- what the store says, once it is loaded ----------------------------------------------------------------


def test_a_published_version_takes_over_and_the_old_one_is_unloaded(
    server: RunningServer, publisher: Publisher, name: str
) -> None:
    assert decoded(server, name) == ("1", "image")
    publisher.publish("vector")
    wait_until(server, name, serves(2))
    assert decoded(server, name) == ("2", "vector")
    listed = wait_until(server, name, lambda model: states(model) == {1: "available", 2: "ready"})
    assert listed["reason"] is None
    assert [version["memory_bytes"] is None for version in listed["versions"]] == [True, False]
    assert metric(server, "latent_model_swaps_total", model=name) == 1
    assert metric(server, "latent_version_memory_bytes", model=name) == listed["versions"][1]["memory_bytes"] > 0
    took_over = wait_for_log(server, "version took over", model=f"{name}@2")
    assert (took_over["name"], took_over["before"]) == (name, f"{name}@1")
    assert decoded(server, f"{name}@1") == ("1", "image")  # named by its number, it loads again


def test_promotion_and_rollback(server: RunningServer, publisher: Publisher, name: str) -> None:
    publisher.promote(1)
    wait_until(server, name, lambda model: aliases(model) == {1: ["production"]})
    publisher.publish("vector")
    wait_until(server, name, lambda model: states(model) == {1: "ready", 2: "available"})
    assert decoded(server, name) == ("1", "image")
    publisher.promote(2)
    wait_until(server, name, lambda model: aliases(model) == {1: [], 2: ["production"]})
    assert decoded(server, name) == decoded(server, f"{name}@production") == ("2", "vector")
    publisher.store.roll_back(name)
    wait_until(server, name, lambda model: aliases(model) == {1: ["production"], 2: []})
    assert decoded(server, name) == ("1", "image")


def test_an_alias_in_use_moves_once_its_version_is_loaded(
    server: RunningServer, publisher: Publisher, name: str
) -> None:
    publisher.promote(1)
    publisher.promote(1, "trial")
    publisher.publish("vector")
    wait_until(server, name, lambda model: aliases(model) == {1: ["production", "trial"], 2: []})
    assert decoded(server, f"{name}@trial") == ("1", "image")
    publisher.promote(2, "trial")
    listed = wait_until(server, name, lambda model: aliases(model) == {1: ["production"], 2: ["trial"]})
    assert states(listed) == {1: "ready", 2: "ready"}
    assert decoded(server, f"{name}@trial") == ("2", "vector")
    assert decoded(server, name) == ("1", "image")


def test_the_first_model_of_an_empty_store(affine_store: ModelStore, tmp_path: Path) -> None:
    with running_server(tmp_path / "store", ready=503, watch_s=WATCH_S) as server:
        Publisher(ModelStore(tmp_path / "store"), affine_store, "m").publish("vector")
        server.wait_for("/readyz", 200)
        assert decoded(server, "m") == ("1", "vector")


def test_one_alias_alone_is_followed(affine_store: ModelStore, tmp_path: Path) -> None:
    publisher = Publisher(ModelStore(tmp_path / "store"), affine_store, "m")
    publisher.promote(publisher.publish("image"), "trial")
    with running_server(publisher.store.path, watch_s=WATCH_S, model="m@trial") as server:
        publisher.promote(publisher.publish("vector"))
        wait_until(server, "m", lambda model: len(model["versions"]) == 2)
        assert decoded(server, "m") == ("1", "image")
        publisher.promote(2, "trial")
        wait_until(server, "m", serves(2))
        assert decoded(server, "m") == ("2", "vector")


def test_with_lazy_loading_a_name_is_followed_once_it_was_asked_for(affine_store: ModelStore, tmp_path: Path) -> None:
    publisher = Publisher(ModelStore(tmp_path / "store"), affine_store, "m")
    publisher.publish("image")
    with running_server(publisher.store.path, watch_s=WATCH_S, load="lazy") as server:
        publisher.publish("vector")
        wait_until(server, "m", lambda model: states(model) == {1: "available", 2: "available"})
        assert decoded(server, "m") == ("2", "vector")
        publisher.publish("image")
        wait_until(server, "m", lambda model: states(model) == {1: "available", 2: "available", 3: "ready"})
        assert decoded(server, "m") == ("3", "image")


def test_swaps_under_load_fail_no_request(server: RunningServer, publisher: Publisher, name: str) -> None:
    """Four callers ask without a pause while ten versions take over, one after the other."""
    kinds = {"1": "image"}
    answers: list[tuple[int, str, str]] = []
    done = threading.Event()

    def keep_asking() -> None:
        with httpx.Client(base_url=server.url, timeout=ANSWER_S) as client:
            while not done.is_set():
                reply = client.post("/decode", params={"model": name}, json=CODE)
                version = reply.headers["x-latent-model"].partition("@")[2]
                assert reply.json()["model"] == f"{name}@{version}"
                answers.append((reply.status_code, version, kind_of(reply.json()["outputs"])))

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(keep_asking) for _ in range(4)]
        for kind in itertools.islice(itertools.cycle(["vector", "image"]), 10):
            version = publisher.publish(kind)
            kinds[str(version)] = kind
            wait_until(server, name, serves(version))
        done.set()
        for caller in callers:
            caller.result()
    assert {status for status, _, _ in answers} == {200}
    assert {version for _, version, _ in answers} >= {"1", "11"}
    assert all(kinds[version] == kind for _, version, kind in answers)
    wait_until(server, name, lambda model: states(model) == {**dict.fromkeys(range(1, 11), "available"), 11: "ready"})


def test_a_request_in_flight_finishes_on_the_version_it_started_with(
    server: RunningServer, publisher: Publisher, name: str
) -> None:
    body = json.dumps(CODE).encode()
    headers = {"Connection": "close", "Expect": "100-continue", "Content-Length": str(len(body))}
    with server.connect() as wire:
        wire.send(request(f"/decode?model={name}", headers=headers))
        assert wire.read_answer().status == 100
        assert metric(server, "latent_version_leases", model=name, version="1") == 1
        publisher.publish("vector")
        wait_until(server, name, serves(2))
        assert decoded(server, name) == ("2", "vector")
        assert states(models(server.http)[name]) == {1: "ready", 2: "ready"}
        wire.send(body)
        answer = wire.read_answer()
        assert wire.is_closed()
    assert answer.headers["x-latent-model"] == f"{name}@1"
    assert answer.json()["outputs"] == ANSWERS["image"]
    wait_until(server, name, lambda model: states(model) == {1: "available", 2: "ready"})


# -- what cannot be served ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("encoder/saved_model.pb", "FileAltered: encoder/saved_model.pb"),
        ("manifest.json", "ManifestAltered: manifest.json"),
        (None, "outputs"),
    ],
)
def test_a_broken_version_never_takes_over(
    server: RunningServer, publisher: Publisher, name: str, file: str | None, reason: str
) -> None:
    _ = publisher.publish_damaged("vector", file) if file else publisher.publish_unproven("vector")
    listed = wait_until(server, name, lambda model: states(model).get(2) == "failed" and model["reason"])
    assert listed["reason"].startswith(f"{name} goes on as version 1: {name}@2 is failed (")
    assert reason in listed["versions"][1]["reason"]
    assert (listed["serves"], states(listed)[1]) == (1, "ready")
    assert decoded(server, name) == ("1", "image")
    refused = server.http.post("/decode", params={"model": f"{name}@2"}, json=CODE)
    assert f"{name}@2 is failed" in assert_problem(refused, 503, "not-ready")["detail"]
    assert metric(server, "latent_version_failed", model=name, version="2") == 1
    assert metric(server, "latent_model_held_back", model=name) == 1
    assert wait_for_log(server, "model held back", model=name)["reason"] == listed["reason"]
    assert publisher.publish("vector") == 3  # the next sound one takes over
    assert wait_until(server, name, serves(3))["reason"] is None


def test_a_failed_version_is_tried_again_only_once_its_files_change(
    server: RunningServer, publisher: Publisher, name: str
) -> None:
    publisher.publish_damaged("vector", "prior.npz")
    wait_until(server, name, lambda model: states(model).get(2) == "failed")
    other = replace(publisher, name=f"{name}-other")
    other.publish("vector")
    wait_until(server, other.name, serves(1))  # so looks have gone by
    assert [reason[:22] for reason in failures(server, name)] == ["FileAltered: prior.npz"]
    flip_a_byte(publisher.directory(2) / "prior.npz")
    wait_until(server, name, serves(2))
    assert decoded(server, name) == ("2", "vector")


def test_an_alias_at_a_broken_version(server: RunningServer, publisher: Publisher, name: str) -> None:
    publisher.promote(1)
    publisher.publish_unproven("vector")
    wait_until(server, name, lambda model: states(model) == {1: "ready", 2: "available"})
    publisher.promote(2)
    listed = wait_until(server, name, lambda model: states(model)[2] == "failed" and model["reason"])
    says = f"{name}@production goes on as version 1: {name}@2 is failed (GoldenMismatch"
    assert listed["reason"].startswith(says)
    assert decoded(server, name) == decoded(server, f"{name}@production") == ("1", "image")


@pytest.mark.parametrize(
    ("content", "says"), [(b'{"production": 7}\n', "{}@7 does not exist"), (b"{", "aliases.json of {} cannot be read")]
)
def test_an_alias_at_a_missing_version_or_none_that_can_be_read(
    server: RunningServer, publisher: Publisher, name: str, content: bytes, says: str
) -> None:
    publisher.promote(1)
    wait_until(server, name, lambda model: aliases(model) == {1: ["production"]})
    (publisher.store.path / name / ALIASES).write_bytes(content)
    listed = wait_until(server, name, lambda model: model["reason"])
    assert says.format(name) in listed["reason"]
    assert decoded(server, name) == decoded(server, f"{name}@production") == ("1", "image")


def test_a_removed_version_is_forgotten(server: RunningServer, publisher: Publisher, name: str) -> None:
    publisher.publish("vector")
    wait_until(server, name, serves(2))
    assert decoded(server, f"{name}@1") == ("1", "image")
    publisher.store.remove(name, 1)
    wait_until(server, name, lambda model: states(model) == {2: "ready"})
    refused = server.http.post("/decode", params={"model": f"{name}@1"}, json=CODE)
    assert assert_problem(refused, 404, "unknown-model")["detail"] == f"{name} has no version 1 (it has 2)"


def test_where_the_version_that_serves_is_removed_another_takes_over(
    server: RunningServer, publisher: Publisher, name: str
) -> None:
    publisher.publish("vector")
    wait_until(server, name, serves(2))
    publisher.store.remove(name, 2)
    wait_until(server, name, lambda model: states(model) == {1: "ready"})
    assert decoded(server, name) == ("1", "image")


def test_where_an_aliased_version_is_lost_it_serves_from_memory(
    server: RunningServer, publisher: Publisher, name: str
) -> None:
    publisher.promote(publisher.publish("vector"))
    wait_until(server, name, lambda model: aliases(model) == {1: [], 2: ["production"]})
    shutil.rmtree(publisher.directory(2))
    listed = wait_until(server, name, lambda model: model["reason"])
    assert listed["reason"] == f"{name}@production goes on as version 2: {name}@2 does not exist"
    assert decoded(server, name) == ("2", "vector")
    publisher.promote(1)
    wait_until(server, name, lambda model: states(model) == {1: "ready"})
    assert decoded(server, name) == ("1", "image")


def test_a_model_is_gone_once_it_has_no_version(server: RunningServer, publisher: Publisher, name: str) -> None:
    publisher.store.remove(name, 1)
    wait_until(server, name, lambda model: model == {})
    assert_problem(server.http.post("/decode", params={"model": name}, json=CODE), 404, "unknown-model")


def test_a_store_that_is_gone_as_a_whole_is_taken_for_unmounted(
    server: RunningServer, publisher: Publisher, name: str
) -> None:
    away = publisher.store.path.rename(publisher.store.path.with_name("away"))
    wait_for_log(server, "the store cannot be read", level="warning")
    assert decoded(server, name) == ("1", "image")
    assert server.http.get("/readyz").status_code == 200
    away.rename(publisher.store.path)
    publisher.publish("vector")
    wait_until(server, name, serves(2))


# -- by hand -----------------------------------------------------------------------------------------------


def test_without_watching_nothing_moves_until_it_is_asked_to(
    unwatched: RunningServer, by_hand: Publisher, name: str
) -> None:
    by_hand.publish("vector")
    by_hand.promote(2)
    listed = models(unwatched.http)[name]
    assert (states(listed), listed["serves"]) == ({1: "ready", 2: "available"}, 1)
    assert listed["reason"] == f"{name}@production goes on as version 1: {name}@2 is available"
    assert decoded(unwatched, f"{name}@2") == ("2", "vector")
    assert decoded(unwatched, name) == ("1", "image")
    reply = read_json(reload(unwatched, name))
    assert (reply["name"], reply["serves"], reply["reason"]) == (name, 2, None)
    assert aliases(reply) == {1: [], 2: ["production"]}
    assert decoded(unwatched, name) == ("2", "vector")


def test_reloading_tries_again_what_has_failed_and_answers_what_is_served(
    unwatched: RunningServer, by_hand: Publisher, name: str
) -> None:
    by_hand.publish_unproven("vector")
    for attempts in (1, 2):
        response = reload(unwatched, name)
        assert response.headers["x-latent-model"] == f"{name}@1"
        reply = read_json(response)
        assert (reply["serves"], states(reply)) == (1, {1: "ready", 2: "failed"})
        assert "GoldenMismatch" in reply["reason"]
        assert len(failures(unwatched, name)) == attempts


def test_reloading_where_nothing_can_be_served(
    unwatched: RunningServer, stores: dict[str, ModelStore], affine_store: ModelStore, name: str
) -> None:
    assert_problem(reload(unwatched, name), 404, "unknown-model")
    Publisher(stores["unwatched"], affine_store, name).publish_unproven("vector")
    assert "GoldenMismatch" in assert_problem(reload(unwatched, name), 503, "not-ready")["detail"]


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({}, 401, "unauthorized"),
        ({"Authorization": "Bearer"}, 401, "unauthorized"),
        ({"Authorization": "Basic YTpi"}, 401, "unauthorized"),
        ({"Authorization": "Bearer wrong"}, 403, "forbidden"),
        ({b"Authorization": f"Bearer {KEY[:-1]}".encode()}, 403, "forbidden"),
    ],
)
def test_reloading_needs_the_key(
    unwatched: RunningServer, by_hand: Publisher, name: str, headers: dict[Any, Any], status: int, slug: str
) -> None:
    by_hand.publish("vector")
    response = unwatched.http.post(f"/models/{name}/reload", headers=headers)
    assert_problem(response, status, slug)
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    assert models(unwatched.http)[name]["serves"] == 1
    assert read_json(reload(unwatched, name))["serves"] == 2
    for secret in (KEY, KEY[:-1], "YTpi", "wrong"):
        assert secret not in unwatched.log_text()


@pytest.mark.parametrize("headers", [{}, BEARER, {"Authorization": "Bearer x"}])
def test_without_a_key_there_is_no_such_path(server: RunningServer, headers: dict[Any, Any]) -> None:
    assert_problem(server.http.post("/models/first/reload", headers=headers), 404, "not-found")


def test_an_empty_key_is_none(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, load="lazy", admin_key="") as server:
        response = server.http.post("/models/image/reload", headers={"Authorization": "Bearer"})
        assert_problem(response, 404, "not-found")
