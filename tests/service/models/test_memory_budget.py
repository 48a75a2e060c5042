"""The memory budget: which versions are unloaded, how memory is measured, and a service with too little memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from model_store import ModelStore
from service.models.memory import network_bytes, occupied_bytes, resident_bytes, to_unload
from tests.service.stores import ANSWERS, CODE, Publisher, models, states, wait_until
from tests.service.wire import read_json
from tests.support.server import running_server


@dataclass(frozen=True)
class Version:
    occupied_bytes: int
    used_at: float
    in_use: bool = False


OLD, MIDDLE, NEW = Version(50, 1.0), Version(30, 2.0), Version(20, 3.0)
LEASED = Version(50, 0.0, in_use=True)


@pytest.mark.parametrize(
    ("loaded", "budget_bytes", "kept", "going", "fits"),
    [
        ([OLD, MIDDLE, NEW], 100, [], [], True),
        ([NEW, MIDDLE, OLD], 99, [], [OLD], True),
        ([OLD, MIDDLE, NEW], 50, [], [OLD], True),
        ([OLD, MIDDLE, NEW], 49, [], [OLD, MIDDLE], True),
        ([OLD, MIDDLE, NEW], 19, [], [OLD, MIDDLE], False),
        ([OLD, MIDDLE, NEW], 70, [OLD], [MIDDLE], True),
        ([LEASED, OLD, MIDDLE, NEW], 100, [], [OLD], True),
        ([LEASED, OLD], 60, [], [], False),
        ([OLD], 1, [], [], False),
        ([], 1, [], [], True),
    ],
)
def test_the_least_recently_used_go_first(
    loaded: list[Version], budget_bytes: int, kept: list[Version], going: list[Version], fits: bool
) -> None:
    assert to_unload(loaded, budget_bytes, kept) == (going, fits)


def test_what_a_version_occupies(affine_store: ModelStore, tmp_path: Path) -> None:
    version = affine_store.directory("image", 1)
    files = sum(path.stat().st_size for half in ("encoder", "decoder") for path in (version / half).rglob("*.*"))
    manifest = affine_store.manifest("image", 1)
    assert network_bytes(manifest) == files
    assert occupied_bytes(manifest, 100_000, 900_000) == 800_000
    assert occupied_bytes(manifest, 900_000, 100_000) == files
    assert occupied_bytes(manifest, None, None) == 5 * files
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmRSS:\t     300 kB\nRssAnon:\t     200 kB\n", encoding="ascii")
    assert resident_bytes(status) == 200 * 1024
    assert resident_bytes(tmp_path / "none") is None


def test_a_service_keeps_to_its_budget(affine_store: ModelStore, tmp_path: Path) -> None:
    """A budget that one version is over: only the default model's stays, and the last one used."""
    store = ModelStore(tmp_path / "store")
    for name in ("a", "b", "c"):
        Publisher(store, affine_store, name).publish("image")
    with running_server(store.path, watch_s=0, load="lazy", default_model="a", memory_budget_bytes=1) as server:
        for asked, loaded in (("a", "a"), ("b", "ab"), ("c", "ac"), ("a", "a"), ("b", "ab")):
            reply = read_json(server.http.post("/decode", params={"model": asked}, json=CODE))
            assert (reply["model"], reply["outputs"]) == (f"{asked}@1", ANSWERS["image"])
            found = models(server.http)
            assert {name for name in found if states(found[name]) == {1: "ready"}} == set(loaded)
            assert {name for name in found if states(found[name]) == {1: "available"}} == set("abc") - set(loaded)
            for name, model in found.items():
                assert (model["versions"][0]["memory_bytes"] is not None) == (name in loaded)
        assert server.http.get("/readyz").status_code == 200


def test_a_budget_for_all_unloads_none(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, memory_budget_bytes=10**12) as server:
        for name in ("image", "rgb", "conditional", "vector", "plain-vector", "sequence"):
            wait_until(server, name, lambda model: states(model) == {1: "ready"})
        sizes = [model["versions"][0]["memory_bytes"] for model in models(server.http).values()]
        assert min(sizes) > 1_000
        assert max(sizes) < 200e6


def test_without_a_default_the_last_one_used_stays_and_the_service_is_ready(affine_store: ModelStore) -> None:
    with running_server(affine_store.path, memory_budget_bytes=1) as server:
        for name in ("image", "rgb", "sequence"):
            assert server.http.get("/sample", params={"model": name}, headers={"Accept": "*/*"}).status_code == 200
        ready = [name for name, model in models(server.http).items() if states(model) == {1: "ready"}]
        assert "sequence" in ready
        assert server.http.get("/readyz").status_code == 200
