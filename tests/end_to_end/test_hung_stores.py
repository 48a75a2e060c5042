"""A store that hangs, as a network mount whose server is away: everything that is loaded goes on, and SIGTERM ends it.

The hanging is real. A file hangs because somebody has a lease on it: the kernel keeps whoever opens it waiting. A whole
directory hangs because it is mounted on FUSE without a program behind it: no call that touches it returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from model_store import ModelStore, aliases
from model_store.aliases import ALIASES
from tests.service.stores import CODE, WATCH_S, Publisher, models, serves, states, wait_for_log, wait_until
from tests.support.problems import assert_problem
from tests.support.restricted import held_file, hung_disk, needs_leases, needs_mounts
from tests.support.server import RunningServer, running_server

PENDING = re.compile(r"a look at the store has been pending for \d+ s")


@pytest.fixture
def publisher(affine_store: ModelStore, tmp_path: Path) -> Publisher:
    """A store with a model `m`, whose first version is in production."""
    found = Publisher(ModelStore(tmp_path / "store"), affine_store, "m")
    found.promote(found.publish("vector"))
    return found


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Path]:
    with hung_disk(tmp_path / "hung") as path:
        yield path


def pending(server: RunningServer) -> str:
    """What /readyz says of a look that does not end; empty where it says nothing."""
    found = PENDING.search(server.http.get("/readyz").text)
    return found[0] if found else ""


def wait_until_it_hangs(server: RunningServer) -> None:
    wait_until(server, "m", lambda _model: pending(server))


def assert_it_goes_on(server: RunningServer) -> None:
    """Everything but what needs the store answers."""
    assert server.http.get("/livez").status_code == 200
    assert server.http.get("/readyz").json()["status"] == "ready"
    assert server.http.post("/decode", json=CODE).status_code == 200
    assert server.http.post("/decode?model=m@1", json=CODE).status_code == 200
    listed = server.http.get("/models").json()
    assert [model["serves"] for model in listed["models"]] == [1]
    assert PENDING.fullmatch(listed["store"][0])
    metric = re.search(r"^latent_store_look_pending_seconds (\d+)", server.http.get("/metrics").text, re.MULTILINE)
    assert metric is not None
    assert int(metric[1]) >= 1
    assert_problem(server.http.post("/decode?model=unseen", json=CODE), 503, "not-ready")
    assert_problem(server.http.get("/models/unseen"), 503, "not-ready")


@needs_leases
@pytest.mark.parametrize("workers", [1, 2])
def test_a_look_that_hangs_holds_up_nothing_and_is_made_up_for(publisher: Publisher, workers: int) -> None:
    with running_server(publisher.store.path, watch_s=WATCH_S, engine="openvino", workers=workers) as server:
        wait_until(server, "m", serves(1))
        with held_file(publisher.store.path / "m" / ALIASES):
            wait_until_it_hangs(server)
            assert_it_goes_on(server)
            wait_for_log(server, "the store does not answer", level="warning")
        publisher.promote(publisher.publish("image"))
        wait_until(server, "m", serves(2))
        wait_for_log(server, "the store can be read again")
        assert server.http.get("/readyz").json() == {"status": "ready"}


@needs_leases
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_it_while_a_look_hangs(publisher: Publisher, workers: int) -> None:
    with running_server(publisher.store.path, watch_s=WATCH_S, engine="openvino", workers=workers) as server:
        wait_until(server, "m", serves(1))
        with held_file(publisher.store.path / "m" / ALIASES):
            wait_until_it_hangs(server)
            server.terminate()
            assert server.exit_code() == 0


@needs_leases
def test_a_version_whose_files_hang_holds_up_neither_requests_nor_looks_nor_the_end(
    publisher: Publisher, affine_store: ModelStore, tmp_path: Path
) -> None:
    aside = Publisher(ModelStore(tmp_path / "aside"), affine_store, "m")
    for _ in range(2):
        aside.publish("image")
    with running_server(publisher.store.path, watch_s=WATCH_S, engine="openvino") as server:
        wait_until(server, "m", serves(1))
        with held_file(aside.directory(2) / "encoder" / "saved_model.pb"):
            aside.directory(2).rename(publisher.directory(2))
            aliases.promote(publisher.store.path / "m", 2, "production")  # unread: this process would hang too
            wait_until(server, "m", lambda model: states(model).get(2) == "loading")
            Publisher(publisher.store, affine_store, "later").publish("vector")
            wait_until(server, "later", lambda model: model.get("versions"))
            assert server.http.post("/decode?model=m", json=CODE).status_code == 200
            assert models(server.http)["m"]["serves"] == 1
            server.terminate()
            assert server.exit_code() == 0


@needs_leases
def test_a_figure_or_a_map_that_hangs_is_a_503(publisher: Publisher) -> None:
    report = publisher.directory(1) / "report" / "samples.png"
    with running_server(publisher.store.path, watch_s=WATCH_S, engine="openvino") as server:
        wait_until(server, "m", serves(1))
        assert server.http.get("/models/m/map").status_code == 200
        with held_file(report):
            refused = server.http.get("/models/m/versions/1/report/samples.png")
            assert "the store has not answered" in assert_problem(refused, 503, "not-ready")["detail"]
            assert server.http.get("/models/m/map").status_code == 200  # it is in memory
            assert server.http.get("/livez").status_code == 200
        wait_until(
            server, "m", lambda _model: server.http.get("/models/m/versions/1/report/samples.png").status_code == 200
        )


@needs_mounts
def test_a_mount_that_hangs_while_it_serves(publisher: Publisher, hung: Path, tmp_path: Path) -> None:
    """The store is a link that is turned to the mount: from then on every call that touches the store waits."""
    link = tmp_path / "link"
    link.symlink_to(publisher.store.path)
    with running_server(link, watch_s=WATCH_S, engine="openvino") as server:
        wait_until(server, "m", serves(1))
        (tmp_path / "turned").symlink_to(hung)
        (tmp_path / "turned").replace(link)
        wait_until_it_hangs(server)
        assert_it_goes_on(server)
        server.terminate()
        assert server.exit_code() == 0


@needs_mounts
@pytest.mark.parametrize("settings", [{}, {"workers": 2}, {"load": "lazy"}, {"watch_s": 0}])
def test_a_mount_that_hangs_from_the_start(hung: Path, settings: dict[str, Any]) -> None:
    with running_server(hung, ready=503, **settings) as server:
        assert server.http.get("/livez").status_code == 200
        detail = assert_problem(server.http.get("/readyz"), 503, "not-ready")["detail"]
        assert PENDING.search(detail)
        assert server.http.get("/models").json()["models"] == []
        assert_problem(server.http.post("/decode", json=CODE), 503, "not-ready")
        server.terminate()
        assert server.exit_code() == 0


@needs_leases
def test_a_store_that_hangs_at_the_start_is_served_once_it_answers(publisher: Publisher) -> None:
    held = ExitStack()
    held.enter_context(held_file(publisher.store.path / "m" / ALIASES))
    with held, running_server(publisher.store.path, ready=503, watch_s=WATCH_S, engine="openvino") as server:
        assert pending(server)
        held.close()
        server.wait_for("/readyz", 200)
        assert server.http.post("/decode", json=CODE).status_code == 200
        wait_for_log(server, "the store can be read again")
