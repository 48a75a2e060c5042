"""POST /reconstruct: errors, bounds and scores against numbers worked out by hand and with scipy."""

from __future__ import annotations

import base64
import math

import httpx
import numpy as np
import pytest
from scipy import stats

from model_store import ModelStore
from model_store.heldout import read_heldout
from model_store.preprocess import array_to_input
from tests.service.wire import (
    PNG,
    base64_text,
    close,
    halves,
    picture,
    read_json,
    read_npy,
    read_npz,
    read_pixels,
    read_png,
)
from tests.support.affine import AFFINE

UNEVEN = [[0.0, 0.5, 1.0, 0.5]] * 4
"""L = ¼ and R = ¾, so z is (-1, 1) and outputs are ¼ and ¾: every pixel is off by ¼."""


def test_metrics_by_hand(http: httpx.Client) -> None:
    """Gaussian with σ = ½: nll is 16 · (1/16) / (2 · ¼) + 16 · (ln ½ + ½ ln 2π); kl as below."""
    reply = read_json(http.post("/reconstruct?model=image", json={"inputs": [UNEVEN]}))
    assert list(reply) == ["model", "outputs", "z", "metrics", "anomaly"]
    close(np.array(reply["outputs"])[0, ..., 0], halves(0.25, 0.75), atol=1e-6)
    close(reply["z"], [[-1, 1]], atol=1e-6)
    nll = 2.0 + 16 * (math.log(0.5) + 0.5 * math.log(2 * math.pi))
    kl = 0.5 * (2 + math.exp(-2) + math.exp(-1) + 1)
    assert reply["metrics"] == {
        "mse": [pytest.approx(1 / 16, abs=1e-6)],
        "nll": [pytest.approx(nll, abs=1e-5)],
        "kl": [pytest.approx(kl, abs=1e-5)],
        "elbo": [pytest.approx(-(nll + kl), abs=1e-5)],
    }


def test_gaussian_nll_is_scipys(one: httpx.Client) -> None:
    x = np.random.default_rng(1).random((5, 4, 4), np.float32)
    reply = read_json(one.post("/reconstruct?model=image", json={"inputs": x.tolist()}))
    outputs = np.array(reply["outputs"])[..., 0]
    expected = -stats.norm.logpdf(x, loc=outputs, scale=0.5).sum(axis=(1, 2))
    close(reply["metrics"]["nll"], expected, rtol=1e-5)


def test_bernoulli_nll_by_hand(http: httpx.Client) -> None:
    """Red ½, green ¾, blue 1 against outputs ½, ¾, ½: 24 pixels of the cross-entropies of each channel."""
    pixel = [0.5, 0.75, 1.0]
    reply = read_json(http.post("/reconstruct?model=rgb", json={"inputs": [[[pixel] * 4] * 6]}))
    green = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert reply["metrics"]["nll"] == [pytest.approx(24 * (2 * math.log(2) + green), rel=1e-5)]
    assert reply["metrics"]["mse"] == [pytest.approx(0.25 / 3, rel=1e-5)]


def test_kl_is_the_divergence_of_the_two_normals(one: httpx.Client) -> None:
    """By numerical integration of q log(q / p), one dimension at a time."""
    reply = read_json(one.post("/reconstruct?model=image", json={"inputs": [halves(0.3, 0.9)]}))
    total = 0.0
    for mean, log_var in zip(reply["z"][0], (-2.0, -1.0), strict=True):
        posterior = stats.norm(mean, math.exp(log_var / 2))
        total += posterior.expect(lambda z, q=posterior: q.logpdf(z) - stats.norm.logpdf(z))
    assert reply["metrics"]["kl"] == [pytest.approx(total, rel=1e-5)]


def test_deterministic_codes_have_no_kl_and_no_elbo(http: httpx.Client) -> None:
    """x = (1, -1, 3) in deviations; the third comes back as 0, so mse is 3 and nll is 9/2 + 3/2 ln 2π."""
    reply = read_json(http.post("/reconstruct?model=vector", json={"inputs": [[12, 16, 45]]}))
    close(reply["outputs"], [[12, 16, 30]], rtol=1e-6)
    assert reply["metrics"]["mse"] == [pytest.approx(3.0)]
    assert reply["metrics"]["nll"] == [pytest.approx(4.5 + 1.5 * math.log(2 * math.pi))]
    assert reply["metrics"]["kl"] is None
    assert reply["metrics"]["elbo"] is None
    arrays = read_npz(
        http.post("/reconstruct?model=vector", json={"inputs": [[12, 16, 45]]}, headers={"Accept": "application/x-npz"})
    )
    assert "metrics.mse" in arrays
    assert "metrics.kl" not in arrays
    assert arrays["anomaly.threshold"].shape == ()


def test_the_anomaly_score_is_ranked_among_the_held_out_items(one: httpx.Client, affine_store: ModelStore) -> None:
    affine = AFFINE["image"]
    manifest = affine_store.manifest("image", 1)
    heldout = read_heldout(affine_store.directory("image", 1) / "heldout.npz", manifest)
    x = array_to_input(heldout.inputs, affine.input)
    errors = np.square(x - affine.reconstruct(x)).mean(axis=(1, 2, 3))
    reply = read_json(one.post("/reconstruct?model=image", json={"inputs": x.tolist()}))
    anomaly = reply["anomaly"]
    close(anomaly["score"], errors, rtol=1e-4)
    assert anomaly["score"] == reply["metrics"]["mse"]
    ranks = 100 * (stats.rankdata(errors) - 1) / (len(errors) - 1)
    close(anomaly["percentile"], ranks, atol=1.0)
    assert anomaly["threshold"] == pytest.approx(np.quantile(errors, 0.99))
    assert np.sum(anomaly["is_anomaly"]) == 1
    assert anomaly["is_anomaly"][int(errors.argmax())] is True


def test_scores_beyond_the_held_out_ones_are_0_and_100(one: httpx.Client) -> None:
    checks = [[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]] * 2
    reply = read_json(one.post("/reconstruct?model=image", json={"inputs": [halves(0.5, 0.5), checks]}))
    assert reply["anomaly"]["percentile"] == [0.0, 100.0]
    assert reply["anomaly"]["is_anomaly"] == [False, True]


def test_a_threshold_of_the_requests_own(one: httpx.Client, affine_store: ModelStore) -> None:
    body = {"inputs": [UNEVEN]}
    for threshold, anomaly in ((0.06, True), (0.07, False), (0, True)):
        reply = read_json(one.post("/reconstruct?model=image", json={**body, "threshold": threshold}))
        assert (reply["anomaly"]["threshold"], reply["anomaly"]["is_anomaly"]) == (threshold, [anomaly])
    spec = affine_store.manifest("image", 1).anomaly
    reply = read_json(one.post("/reconstruct?model=image&quantile=0.5", json=body))
    assert reply["anomaly"]["threshold"] == pytest.approx(spec.quantiles[spec.levels.index(0.5)])


def test_an_error_map_is_the_squared_error_of_every_element(http: httpx.Client) -> None:
    reply = read_json(http.post("/reconstruct?model=image", json={"inputs": [halves(0, 1), UNEVEN], "error_map": True}))
    error_map = np.array(reply["error_map"])
    assert error_map.shape == (2, 4, 4, 1)
    close(error_map[0], 0, atol=1e-9)
    close(error_map[1], 1 / 16, atol=1e-6)
    close(error_map.mean(axis=(1, 2, 3)), reply["metrics"]["mse"], atol=1e-9)


def test_npy_is_the_reconstructions(http: httpx.Client) -> None:
    headers = {"Accept": "application/x-npy"}
    outputs = read_npy(http.post("/reconstruct?model=image", json={"inputs": [UNEVEN]}, headers=headers))
    close(outputs[0, ..., 0], halves(0.25, 0.75), atol=1e-6)


def test_a_picture_shows_the_original_over_its_reconstruction(one: httpx.Client) -> None:
    body = picture(np.round(255 * np.array(UNEVEN)))
    pixels = read_png(one.post("/reconstruct?model=image", content=body, headers={**PNG, "Accept": "image/png"}))
    assert pixels.shape == (8, 4)
    assert pixels[:4].tolist() == [[0, 128, 255, 128]] * 4
    assert pixels[4:].tolist() == [[64, 64, 192, 192]] * 4


def test_eighteen_items_are_two_rows_of_pairs(one: httpx.Client) -> None:
    inputs = [halves(level / 17, level / 17) for level in range(18)]
    headers = {"Accept": "image/png"}
    pixels = read_png(one.post("/reconstruct?model=image", json={"inputs": inputs}, headers=headers))
    assert pixels.shape == (16, 64)
    greys = pixels[::4, ::4]
    assert greys[0].tolist() == [15 * level for level in range(16)]
    assert greys[1].tolist() == greys[0].tolist()
    assert greys[2].tolist() == greys[3].tolist() == [240, 255] + [0] * 14


def test_pictures_in_a_json_reply(one: httpx.Client) -> None:
    body = {"images": [base64_text(picture(np.full((4, 4), 255)))], "as": "png", "scale": 3}
    reply = read_json(one.post("/reconstruct?model=image", json=body))
    assert "outputs" not in reply
    assert read_pixels(base64.b64decode(reply["images"][0])).tolist() == [[255] * 12] * 12


def test_target_labels_decode_as_another_class(http: httpx.Client) -> None:
    """A grey of ½ as zero is z = 0; decoded as two it is ½ + ¼."""
    body = {"inputs": [halves(0.5, 0.5)] * 2, "labels": 0, "target_labels": ["zero", "two"]}
    reply = read_json(http.post("/reconstruct?model=conditional", json=body))
    close(reply["z"], [[0, 0]] * 2, atol=1e-6)
    close(np.array(reply["outputs"])[:, 0, 0, 0], [0.5, 0.75], atol=1e-6)
    close(reply["metrics"]["mse"], [0, 1 / 16], atol=1e-6)


def test_sequences_are_reconstructed(http: httpx.Client) -> None:
    """Feature 0 becomes its mean, feature 1 the straight line from its first to its last step."""
    sequence = [[0, 1], [1, 7], [2, 7], [3, 7], [4, 5]]
    reply = read_json(http.post("/reconstruct?model=sequence", json={"inputs": [sequence]}))
    close(reply["outputs"], [[[2, 1], [2, 2], [2, 3], [2, 4], [2, 5]]], atol=1e-5)
    assert reply["metrics"]["mse"] == [pytest.approx((10 + 25 + 16 + 9) / 10, rel=1e-5)]
