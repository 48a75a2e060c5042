"""The engine for data sets: gives the serving engine's answers, to many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model_store import ModelStore
from model_store.artefacts import scan_half
from model_store.verify import DECODER, ENCODER
from service.engines import EngineError
from service.engines.openvino_engine import OpenVinoEngine
from service.engines.openvino_streams import OpenVinoStreamsEngine
from tests.support.affine import AFFINE
from tests.support.saved_models import node, write_half


@pytest.mark.parametrize("streams", [1, 3])
def test_every_thread_gets_its_own_rows(affine_store: ModelStore, streams: int) -> None:
    model, directory = AFFINE["image"], affine_store.directory("image", 1)
    program = OpenVinoStreamsEngine(streams).load(scan_half(directory / ENCODER))
    batches = [np.random.default_rng(seed).random((17, 4, 4, 1), np.float32) for seed in range(60)]
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda x: program.infer({"x": x}), batches))
    for x, answer in zip(batches, answers, strict=True):
        np.testing.assert_allclose(answer["z_mean"], model.encode(x)[0], atol=1e-6)
        np.testing.assert_allclose(answer["z_log_var"], [[-2.0, -1.0]] * 17)


@pytest.mark.parametrize("name", sorted(AFFINE))
def test_it_answers_as_the_serving_engine(affine_store: ModelStore, name: str) -> None:
    directory = affine_store.directory(name, 1)
    rng = np.random.default_rng(4)
    labels = {"labels": np.eye(3, dtype=np.float32)[[0, 2, 1]]} if AFFINE[name].input.conditional else {}
    x = rng.random((3, *AFFINE[name].input.shape), np.float32)
    z = rng.normal(size=(3, AFFINE[name].latent.dim)).astype(np.float32)
    for half, inputs in ((ENCODER, {"x": x, **labels}), (DECODER, {"z": z, **labels})):
        served, streamed = (
            engine.load(scan_half(directory / half)) for engine in (OpenVinoEngine(1), OpenVinoStreamsEngine(2))
        )
        assert (streamed.input_names, streamed.output_names) == (served.input_names, served.output_names)
        expected = served.infer(inputs)
        for output, rows in streamed.infer(inputs).items():
            assert rows.flags.owndata
            np.testing.assert_allclose(rows, expected[output], rtol=1e-6, atol=1e-6)


def test_a_failure_leaves_the_stream_free(affine_store: ModelStore) -> None:
    program = OpenVinoStreamsEngine(1).load(scan_half(affine_store.directory("vector", 1) / ENCODER))
    for _ in range(3):
        with pytest.raises(RuntimeError):
            program.infer({"x": np.zeros((2, 7), np.float32)})
    np.testing.assert_allclose(program.infer({"x": np.ones((2, 3), np.float32)})["z"], np.ones((2, 2)))


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    artefact = scan_half(write_half(tmp_path / "nothing", [node("Conv2D", "outputs")]))
    with pytest.raises(EngineError, match="OpenVINO cannot load nothing"):
        OpenVinoStreamsEngine(1).load(artefact)
