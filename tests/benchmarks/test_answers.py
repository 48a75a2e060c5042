"""The benchmark's request bodies, and its check of answers against TensorFlow's, on real services."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.serving.answers import Closeness, compare
from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import FORMATS, VERBS, Case, Items, npy
from benchmarks.serving.cpus import Cpus
from benchmarks.serving.errors import BenchError
from benchmarks.serving.metrics import Batches, encoder_batches
from benchmarks.serving.models import Model, Models
from benchmarks.serving.processes import running
from benchmarks.serving.servers import OWN_LATENT, latent, naive
from model_store import ModelStore
from model_store.manifest import Tolerance
from tests.benchmarks.test_wrk import needs_wrk
from tests.support.affine import AFFINE

CLOSE = Closeness(rtol=1e-4, atol=1e-5)
CASES = [Case("image", verb, body, images, 2) for verb in VERBS for body in FORMATS for images in (1, 64)]


@pytest.fixture(scope="module")
def items() -> Items:
    """What the affine model answers to 64 pictures."""
    model = AFFINE["image"]
    inputs, _ = model.draw(64, seed=3)
    z_mean, z_log_var = model.encode(inputs / 255.0)
    assert z_log_var is not None
    outputs = model.decode(z_mean)
    return Items(inputs, *(array.astype(np.float32) for array in (z_mean, z_log_var, outputs)))


@pytest.fixture
def bench(affine_store: ModelStore, items: Items, tmp_path: Path) -> Bench:
    """Nothing pinned, one model."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "image").symlink_to(affine_store.path / "image")
    model = Model("image", store, affine_store.directory("image", 1), items, Tolerance())
    nobody = Cpus(frozenset(), frozenset(), frozenset())
    models = Models({"image": model}, store)
    return Bench(nobody, models, OWN_LATENT, tmp_path, quick=True, keeps=False, console=Console(quiet=True))


def test_a_body_is_what_a_user_sends(items: Items) -> None:
    case = Case("image", "encode", "json", 2, 1)
    sent = json.loads(items.body(case))["inputs"]
    assert sent == (items.inputs[:2, :, :, 0] / 255).tolist()
    binary = np.load(io.BytesIO(items.body(replace(case, format="npy"))))
    assert (binary.shape, binary.dtype) == ((2, 4, 4), np.float32)
    codes = np.load(io.BytesIO(items.body(replace(case, verb="decode", format="npy"))))
    np.testing.assert_array_equal(codes, items.z_mean[:2])


def test_an_answer_that_is_off_is_named(items: Items) -> None:
    case = Case("image", "encode", "npy", 3, 1)
    assert compare("latent", case, npy(items.z_mean[:3]), items, CLOSE) == 0.0
    with pytest.raises(BenchError, match=r"latent, image/encode/npy/3x1: z_mean is off by 0\.01 "):
        compare("latent", case, npy(items.z_mean[:3] + np.float32(0.01)), items, CLOSE)
    with pytest.raises(BenchError, match=r"z_mean has shape \(2, 2\), not \(3, 2\)"):
        compare("latent", case, npy(items.z_mean[:2]), items, CLOSE)
    with pytest.raises(BenchError, match="not what was asked for"):
        compare("latent", replace(case, format="json"), b'{"status": "ok"}', items, CLOSE)


@pytest.mark.parametrize("service", ["latent", "naive"])
def test_both_services_say_what_tensorflow_says(bench: Bench, service: str, tmp_path: Path) -> None:
    model = bench.models["image"]
    server = latent(model.store) if service == "latent" else naive(model.version)
    with running(server, frozenset(), tmp_path) as started:
        assert started.ready_s > 0.0
        assert started.idle_mb > 20.0
        for case in CASES:
            assert bench.check(started, case) < 1e-4
        with pytest.raises(BenchError, match=f"{service} answers 404"):
            started.ask(replace(server.shot(CASES[0], model.items), path="/nothing"))


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match="latent does not start: latent: no such option: --nothing"),
        running(latent(tmp_path, options=("--nothing",)), frozenset(), tmp_path),
    ):
        pass


@needs_wrk
def test_a_run_through_the_service(bench: Bench) -> None:
    case = Case("image", "encode", "json", 1, 4)
    with bench.serve_latent("image") as server:
        before = encoder_batches(server.http.get("/metrics").text)
        drive = bench.drive(server, case, seconds=1)
        batch = encoder_batches(server.http.get("/metrics").text).mean_since(before)
        assert "request" in server.log.read_text(encoding="utf-8")
    assert drive.load.requests > 20
    assert drive.cpu_us > 1.0
    assert 1.0 <= batch <= 4.0


def test_the_mean_batch_is_that_of_one_half() -> None:
    text = """# TYPE latent_batch_items histogram
latent_batch_items_bucket{half="encoder",le="+Inf",model="m"} 5.0
latent_batch_items_count{half="encoder",model="m"} 5.0
latent_batch_items_sum{half="encoder",model="m"} 35.0
latent_batch_items_count{half="decoder",model="m"} 100.0
latent_batch_items_sum{half="decoder",model="m"} 100.0
"""
    assert encoder_batches(text) == Batches(items=35.0, observations=5.0)
    assert encoder_batches(text).mean_since(Batches(5.0, 2.0)) == 10.0
    assert Batches(5.0, 2.0).mean_since(Batches(5.0, 2.0)) == 1.0
