"""Publishing from several processes, and from processes that are killed."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pytest

from model_store import ModelStore, stage
from model_store.publish import STAGING_PREFIX
from tests.support.publisher import copy_files, publish_at_once, publish_for_ever, republish

KILLS = 60


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """Starts processes that have numpy and the model store already: a fork, not an import, away."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["tests.support.publisher"])
    return forkserver


@pytest.fixture
def source(affine_store: ModelStore) -> Path:
    return affine_store.directory("plain-vector", 1)


def hidden(store: ModelStore, name: str) -> list[str]:
    return sorted(path.name for path in (store.path / name).iterdir() if path.name.startswith("."))


def test_a_publisher_killed_at_any_moment_leaves_a_sound_store(
    tmp_path: Path, source: Path, context: ForkServerContext
) -> None:
    store = ModelStore(tmp_path / "store")
    republish(store.path, "model", source)
    began = time.perf_counter()
    republish(store.path, "model", source)
    store.promote("model")
    duration_s = time.perf_counter() - began
    moments = np.random.default_rng(1)
    dead_in_the_middle = 0
    for kill in range(KILLS):
        known = store.versions("model")
        receiver, sender = context.Pipe(duplex=False)
        publisher = context.Process(target=publish_for_ever, args=(store.path, "model", source, sender))
        publisher.start()
        assert receiver.recv() == "started"
        time.sleep(moments.uniform(0.0, 2.0 * duration_s))  # a moment, not an event, is what is tried
        publisher.kill()
        publisher.join()
        receiver.close()
        sender.close()

        versions = store.versions("model")
        assert versions == list(range(1, len(versions) + 1))
        new = [f"model@{version}" for version in versions if version not in known]
        checked = [*(f for reference in new for f in store.verify(reference)), store._verify_aliases("model")]
        assert [finding for finding in checked if finding.error] == [], f"kill {kill}"
        dead_in_the_middle += bool(store.collect_garbage().removed)
        assert hidden(store, "model") == []

    assert dead_in_the_middle >= KILLS // 4, "the kills missed the publishing"
    assert [finding for finding in store.verify() if finding.error] == []
    assert republish(store.path, "model", source).version == len(store.versions("model"))


def test_eight_publishers_at_once_get_eight_versions(tmp_path: Path, source: Path, context: ForkServerContext) -> None:
    store = ModelStore(tmp_path / "store")
    receiver, sender = context.Pipe(duplex=False)
    ready = context.Barrier(8)
    publishers = [
        context.Process(target=publish_at_once, args=(store.path, "model", source, ready, sender)) for _ in range(8)
    ]
    for publisher in publishers:
        publisher.start()
    given = sorted(receiver.recv() for _ in publishers)
    for publisher in publishers:
        publisher.join()
    assert given == [1, 2, 3, 4, 5, 6, 7, 8]
    assert store.versions("model") == given
    assert [finding for finding in store.verify() if finding.error] == []
    assert hidden(store, "model") == []


def test_garbage_is_collected_beside_publishers_at_work(
    tmp_path: Path, source: Path, context: ForkServerContext
) -> None:
    store = ModelStore(tmp_path / "store")
    receiver, sender = context.Pipe(duplex=False)
    ready = context.Barrier(4)
    publishers = [
        context.Process(target=publish_at_once, args=(store.path, "model", source, ready, sender)) for _ in range(4)
    ]
    for publisher in publishers:
        publisher.start()
    while any(publisher.is_alive() for publisher in publishers):
        store.collect_garbage()
    assert sorted(receiver.recv() for _ in publishers) == [1, 2, 3, 4]
    assert [finding for finding in store.verify() if finding.error] == []


def test_garbage_collection_leaves_a_living_publisher_alone(fresh_store: ModelStore) -> None:
    source = fresh_store.directory("plain-vector", 1)
    dead = fresh_store.path / "plain-vector" / f"{STAGING_PREFIX}dead"
    dead.mkdir()
    with stage(fresh_store.path, "plain-vector") as staging:
        copy_files(source, staging.path)
        assert fresh_store.collect_garbage().removed == [dead]
        assert (staging.path / "golden.npz").is_file()
    assert hidden(fresh_store, "plain-vector") == []
