"""The number of CPUs that a process may use, and of engine threads in each worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from service.engines import cpus as engine_cpus
from service.engines.cpus import cpus_of_each, usable_cpus
from service.models import Registry, loading
from service.observability.metrics import Metrics
from service.settings import Settings

AFFINITY = set(range(16))


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a container, to be written; the process may run on 16 CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: AFFINITY, raising=False)
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(("text", "cpus"), [("max 100000", 16), ("400000 100000", 4), ("150000 100000", 2)])
def test_the_containers_quota_counts(quota: Path, text: str, cpus: int) -> None:
    quota.write_text(text)
    assert usable_cpus(quota) == cpus


@pytest.mark.parametrize(("workers", "each"), [(1, 4), (2, 2), (3, 1), (4, 1), (8, 1)])
def test_workers_share_the_cpus_of_the_container(quota: Path, workers: int, each: int) -> None:
    quota.write_text("400000 100000")
    assert cpus_of_each(workers, quota) == each


@pytest.mark.parametrize(
    ("settings", "threads"),
    [
        ({}, 16),
        ({"workers": 4}, 4),
        ({"workers": 5}, 3),
        ({"workers": 32}, 1),
        ({"workers": 4, "engine_threads": 6}, 6),
    ],
)
def test_a_workers_engine_has_its_share_unless_a_number_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], threads: int
) -> None:
    monkeypatch.setattr(engine_cpus, "usable_cpus", lambda _: 16)
    made: list[tuple[object, ...]] = []

    def create(*arguments: object) -> object:
        made.append(arguments)
        return object()

    monkeypatch.setattr(loading, "create_engine", create)
    registry = Registry(Settings(store=tmp_path, **settings), Metrics())
    registry._shelf._loader._engine("openvino")
    assert made == [("openvino", threads, "f32")]
