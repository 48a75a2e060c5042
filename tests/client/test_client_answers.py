"""The client's result for each reply, and its errors for invalid replies."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from typing import Any

import numpy as np
import pytest

from latent_client import Client, ModelInfo, UnreadableReply, VersionInfo
from tests.client.conftest import Connect
from tests.client.wire_server import MODEL, Reply, WireServer, document, npz

Z = np.array([[0.5, -1.0], [2.0, 3.0]], dtype=np.float32)
GIF = Reply(200, b"GIF89a", {"Content-Type": "image/gif"})


def test_encode_of_gaussian_codes(client: Client, server: WireServer) -> None:
    server.play(npz(z=Z, z_mean=Z + 1, z_log_var=Z - 1, seed=9007199254740991))
    answer = client.encode(Z, sample=True)
    np.testing.assert_array_equal(answer.z, Z)
    np.testing.assert_array_equal(answer.z_mean, Z + 1)
    assert answer.z_log_var is not None
    np.testing.assert_array_equal(answer.z_log_var, Z - 1)
    assert (answer.seed, answer.model, answer.request_id) == (2**53 - 1, MODEL, "r-1")
    assert answer.z.dtype == np.float32


def test_encode_of_deterministic_codes(client: Client, server: WireServer) -> None:
    server.play(npz(z=Z, z_mean=Z))
    answer = client.encode(Z)
    assert (answer.z_log_var, answer.seed) == (None, None)
    assert answer.z.shape == (2, 2)


def test_answers_are_frozen(client: Client, server: WireServer) -> None:
    server.play(npz(outputs=Z))
    answer = client.decode(Z)
    np.testing.assert_array_equal(answer.outputs, Z)
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.model = "other@1"  # type: ignore[misc]


def test_reconstruct(client: Client, server: WireServer) -> None:
    server.play(
        npz(
            outputs=Z,
            z=Z[:, :1],
            error_map=Z**2,
            metrics__mse=[0.1, 0.2],
            metrics__nll=[1.0, 2.0],
            metrics__kl=[0.5, 0.25],
            metrics__elbo=[-1.5, -2.25],
            anomaly__score=[0.1, 0.2],
            anomaly__percentile=[50.0, 99.5],
            anomaly__is_anomaly=[False, True],
            anomaly__threshold=0.15,
        )
    )
    answer = client.reconstruct(Z, error_map=True)
    np.testing.assert_array_equal(answer.metrics.mse, [0.1, 0.2])
    assert answer.metrics.nll is not None
    assert answer.metrics.kl is not None
    assert answer.metrics.elbo is not None
    np.testing.assert_array_equal(-(answer.metrics.nll + answer.metrics.kl), answer.metrics.elbo)
    assert answer.anomaly.is_anomaly.tolist() == [False, True]
    assert answer.anomaly.percentile.tolist() == [50.0, 99.5]
    assert answer.anomaly.threshold == 0.15
    assert answer.error_map is not None
    np.testing.assert_array_equal(answer.error_map, Z**2)


def test_interpolate_in_data_space_has_no_codes(client: Client, server: WireServer) -> None:
    server.play(npz(t=[0.0, 0.5, 1.0], outputs=np.zeros((3, 2))))
    answer = client.interpolate(Z, steps=3, space="data")
    assert answer.t.tolist() == [0.0, 0.5, 1.0]
    assert answer.z is None
    assert answer.outputs.shape == (3, 2)


def test_sample(client: Client, server: WireServer) -> None:
    server.play(npz(seed=12, prior="fitted", z=Z, outputs=Z * 2))
    answer = client.sample(2)
    assert (answer.seed, answer.prior) == (12, "fitted")
    np.testing.assert_array_equal(answer.outputs, 2 * answer.z)


def test_manifold(client: Client, server: WireServer) -> None:
    values = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0]]
    server.play(npz(dims=[0, 3], values=values, columns=3, z=np.ones((9, 4)), outputs=np.zeros((9, 2, 2, 1))))
    answer = client.manifold(3, dims=[0, 3])
    assert (answer.dims, answer.columns, answer.values.tolist()) == ((0, 3), 3, values)
    assert (answer.z.shape, answer.outputs.shape) == ((9, 4), (9, 2, 2, 1))


def test_models(client: Client, server: WireServer) -> None:
    version = {
        "version": 3,
        "state": "failed",
        "reason": "goldens differ",
        "engine": None,
        "aliases": ["production"],
        "family": "vae",
        "created_at": "2026-01-02T03:04:05Z",
        "something_new": 1,
    }
    server.play(document({"models": [{"name": "digits", "default": True, "versions": [version]}]}))
    expected = VersionInfo(3, "failed", "goldens differ", None, ("production",), "vae", "2026-01-02T03:04:05Z")
    assert client.models() == [ModelInfo("digits", default=True, versions=(expected,))]
    assert (server.received[0].path, server.received[0].headers["accept"]) == ("/models", "application/json")


def test_one_model_and_one_version(client: Client, server: WireServer) -> None:
    server.play(document({"name": "digits", "latent": {"dim": 16}}))
    assert client.model("digits")["latent"]["dim"] == 16
    assert client.version("digits", 3)["name"] == "digits"
    client.model("../admin?x=1")
    paths = [request.path for request in server.received]
    assert paths == ["/models/digits", "/models/digits/versions/3", "/models/..%2Fadmin%3Fx%3D1"]


def test_the_map_of_a_model(connect: Connect, server: WireServer) -> None:
    whole: dict[str, Any] = {
        "codes": Z,
        "coordinates": -Z,
        "projection__matrix": -np.eye(2),
        "projection__offset": [0.0, 0.5],
        "prior__weights": [1.0],
        "prior__means": np.zeros((1, 2)),
        "prior__covariances": np.eye(2)[None],
    }
    server.play(npz(**whole, labels=[3, 1], inputs=np.full((2, 4, 4, 1), 255, np.uint8)), npz(**whole))
    client = connect(model="boots")
    answer = client.map("digits")
    np.testing.assert_array_equal(answer.codes, Z)
    np.testing.assert_array_equal(answer.coordinates, Z @ answer.projection.matrix.T)
    assert (answer.projection.offset.tolist(), answer.prior.weights.tolist()) == ([0.0, 0.5], [1.0])
    assert (answer.prior.means.shape, answer.prior.covariances.shape) == ((1, 2), (1, 2, 2))
    assert answer.labels is not None
    assert answer.labels.tolist() == [3, 1]
    assert answer.inputs is not None
    assert (str(answer.inputs.dtype), answer.inputs.max()) == ("uint8", 255)
    assert answer.model == MODEL
    less = client.map("digits", 3, items=2, inputs=False)
    assert (less.labels, less.inputs) == (None, None)
    assert [request.path for request in server.received] == ["/models/digits/map", "/models/digits/versions/3/map"]
    assert [request.query for request in server.received] == [{}, {"items": "2", "inputs": "false"}]


def test_a_picture_is_asked_for_by_type_and_comes_as_bytes(client: Client, server: WireServer) -> None:
    server.play(GIF)
    assert client.pictures("gif", fps=12, scale=2).interpolate(z=Z, steps=3) == b"GIF89a"
    request = server.received[0]
    assert request.headers["accept"] == "image/gif"
    assert (request.json()["fps"], request.json()["scale"], request.json()["steps"]) == (12, 2, 3)
    pictures = client.pictures(scale=4)
    pictures.decode(Z)
    pictures.reconstruct(Z, labels=3)
    pictures.sample(9, seed=1)
    pictures.manifold(5)
    later = server.received[1:]
    assert [request.path for request in later] == ["/decode", "/reconstruct", "/sample", "/manifold"]
    assert {request.headers["accept"] for request in later} == {"image/png"}
    assert later[1].query == {"labels": "3", "scale": "4"}
    assert later[2].json()["scale"] == 4


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, z=np.array([{"a": 1}], dtype=object), z_mean=Z)
    return buffer.getvalue()


def _not_npy_inside() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("z", b"text")
    return buffer.getvalue()


WHOLE = npz(z=Z, z_mean=Z)
UNREADABLE = {
    "a proxy's page": Reply(200, b"<html>Please log in", {"Content-Type": "text/html"}),
    "nothing": Reply(200),
    "cut off": dataclasses.replace(WHOLE, body=WHOLE.body[:-40]),
    "damaged": dataclasses.replace(WHOLE, body=WHOLE.body[:150] + b"~" + WHOLE.body[151:]),
    "pickled": dataclasses.replace(WHOLE, body=_pickled()),
    "no arrays inside": dataclasses.replace(WHOLE, body=_not_npy_inside()),
    "without z_mean": npz(z=Z),
    "without a model": dataclasses.replace(WHOLE, headers={}),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_success_that_is_no_answer_says_what_came_from_where(client: Client, server: WireServer, name: str) -> None:
    server.play(UNREADABLE[name])
    with pytest.raises(UnreadableReply, match=f"expected .* from {server.url}/encode, got .* bytes"):
        client.encode(Z)
    assert len(server.received) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"models": 3}', b'{"models": [{"name": "a"}]}', b"\xff"])
def test_a_model_list_that_is_none(client: Client, server: WireServer, body: bytes) -> None:
    server.play(Reply(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(UnreadableReply):
        client.models()
    assert len(server.received) == 1


def test_a_picture_that_is_none(client: Client, server: WireServer) -> None:
    server.play(document({"outputs": []}))
    with pytest.raises(UnreadableReply, match="got 15 bytes of application/json"):
        client.pictures().sample(4)
