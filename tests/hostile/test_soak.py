"""The soak itself: it finds nothing in a sound service, it finds what is wrong, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from latent.chaos.shots import Answer, Shot
from latent.chaos.tally import LOST
from latent.chaos.truth import FIELDS, NPY, check_against, npy, questions
from tests.soak.bounds import broken_by_growth, unjudged
from tests.soak.processes import History, Sample
from tests.soak.run import Plan, soak
from tests.soak.store import OTHERS, SWAPPED, AffineTruth, Swapper, export_in_child
from tests.support.server import ROOT

SECONDS = 15.0
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of a soak."""
    path = tmp_path_factory.mktemp("soak") / "exported"
    export_in_child(path)
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_short_soak_finds_nothing(exported: Path, workers: int) -> None:
    children = set(psutil.Process().children(recursive=True))
    plan = Plan(seconds=SECONDS, workers=workers, connections=6, swap_every_s=3.0, kill_every_s=6.0)
    result = soak(plan, lambda _: None, exported)
    assert result.broken(max_gap_s=None) == []
    statuses = sum((row.statuses for row in result.tally.rows.values()), Counter[str]())
    assert statuses["200"] > 0
    assert result.gaps.asked > 0
    assert result.swaps > 1
    assert statuses[LOST] == 0 or result.kills > 0
    assert {history.name.split()[0] for history in result.histories} == (
        {"service"} if workers == 1 else {"supervisor", "worker"}
    )
    assert result.exit_code == 0
    assert set(psutil.Process().children(recursive=True)) <= children


def test_an_interrupted_soak_stops_and_removes_everything(tmp_path: Path) -> None:
    soaking = subprocess.Popen(
        [sys.executable, "-m", "tests.soak", "--minutes", "10"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not list(tmp_path.glob("latent-soak-*/store")):  # it has begun
            assert soaking.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)  # nothing tells other processes
        children = psutil.Process(soaking.pid).children(recursive=True)
        os.killpg(soaking.pid, signal.SIGINT)  # as Ctrl-C does, to the whole group
        said, _ = soaking.communicate(timeout=PATIENCE_S)
    finally:
        if soaking.poll() is None:
            os.killpg(soaking.pid, signal.SIGKILL)
            soaking.wait()
    assert soaking.returncode == 130, said
    assert "Traceback" not in said
    assert list(tmp_path.glob("latent-soak-*")) == []
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []


def test_the_answer_to_another_question_is_found(exported: Path, tmp_path: Path) -> None:
    swapper = Swapper.begin(tmp_path / "store", exported, every_s=1.0)
    truth = AffineTruth()
    for name in (SWAPPED, *OTHERS):
        manifest = swapper.store.manifest(name, 1)
        for question in questions(manifest, seed=1):
            check = check_against(truth, question, NPY)

            def answer(numbers: np.ndarray, reference: str = f"{name}@1") -> Answer:
                return Answer(200, {"x-latent-model": reference}, npy(numbers))

            right = truth.answer(question, f"{name}@1")
            assert check(answer(right)) is None
            assert "not that of" in str(check(answer(right + 1)))
            assert "shape" in str(check(answer(np.vstack([right, right]))))
            assert "not of" in str(check(answer(right, "another@1")))
            assert "cannot be read" in str(check(replace(answer(right), body=b"?")))
            if name == SWAPPED and question.verb != "reconstruct":  # which both sides answer alike
                assert "not that of" in str(check(answer(right, f"{name}@2"))), FIELDS[question.verb]


def life(rss: tuple[float, float], threads: tuple[int, int] = (20, 20), seconds: int = 100) -> History:
    """A process that holds so much in the first half of its life, and so much in the second."""
    samples = [
        Sample(float(at), rss[at > seconds / 2], threads[at > seconds / 2], descriptors=10) for at in range(seconds)
    ]
    return History(1, "worker 1", samples)


def test_growth_is_found_in_lives_that_are_long_enough() -> None:
    assert list(broken_by_growth([life((200.0, 240.0), (20, 29))])) == []
    assert list(broken_by_growth([life((200.0, 260.0))])) == ["worker 1 grew from 200 to 260 MB: more than 1.25 ×"]
    assert "threads" in next(broken_by_growth([life((200.0, 200.0), (20, 40))]))
    assert list(broken_by_growth([life((200.0, 900.0), seconds=40)])) == []
    assert unjudged([life((200.0, 200.0), seconds=40)]) is not None
    assert unjudged([life((200.0, 200.0))]) is None


def test_a_request_as_it_is_sent() -> None:
    shot = Shot("kind", "/encode?model=m", frozenset({200}), body=b"{}", headers={"Accept": "*/*"})
    head, _, body = shot.to_bytes("host:1", "/prefix", "id").partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /prefix/encode?model=m HTTP/1.1",
        b"Host: host:1",
        b"X-Request-ID: id",
        b"Accept: */*",
        b"Content-Length: 2",
    ]
    assert body == b"{}"
