"""The client's requests on the wire, for each type of argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latent_client import AsyncClient, Client, ImageSource, Inputs, LatentError, UnusableInput
from tests.client.conftest import Connect
from tests.client.wire_server import MODEL, WireServer, npz

PNG = b"\x89PNG\r\n\x1a\n-a"
JPEG = b"\xff\xd8\xff\xe0-b"
WEBP = b"RIFF\x04\x00\x00\x00WEBP-c"
CODES = npz(z=np.zeros((2, 3)), z_mean=np.zeros((2, 3)))
PATH = npz(t=np.arange(3.0), outputs=np.zeros((3, 4)))


def test_an_array_travels_as_npy_with_its_options_in_the_query(client: Client, server: WireServer) -> None:
    server.play(CODES)
    x = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    client.encode(x, labels=[3, 5], sample=True, seed=7, model="digits@production")
    (request,) = server.received
    assert (request.method, request.path) == ("POST", "/encode")
    assert request.headers["content-type"] == "application/x-npy"
    assert request.headers["accept"] == "application/x-npz"
    assert request.query == {"labels": "3,5", "sample": "true", "seed": "7", "model": "digits@production"}
    np.testing.assert_array_equal(request.array(), x)
    assert request.array().dtype == np.float32


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([[0.25, 1.0]], np.float64),
        ([[0, 1]], np.float64),
        (np.array([[True, False]]), np.float64),
        (np.array([[0, 1]]), np.float64),
        (np.array([[0, 255]], dtype=np.uint8), np.uint8),
        ([np.array([0, 255], dtype=np.uint8)], np.uint8),
        (np.array([[0.5, 1]], dtype=np.float16), np.float16),
        (np.array([[0.5, 1]], dtype=">f4"), np.dtype(">f4")),
        (np.asfortranarray(np.array([[0.5, 1], [2, 3]], dtype=np.float32)), np.float32),
        (np.arange(8, dtype=np.float32).reshape(4, 2)[::2, ::-1], np.float32),
    ],
)
def test_every_kind_of_numbers_arrives_as_it_is(
    client: Client, server: WireServer, given: list[list[float]], dtype: np.dtype[np.generic]
) -> None:
    server.play(CODES)
    client.encode(given)
    assert server.received[0].array().dtype == dtype
    np.testing.assert_array_equal(server.received[0].array(), np.asarray(given, dtype=np.float64))


@pytest.mark.parametrize(("image", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")])
def test_one_image_travels_under_its_own_type(
    client: Client, server: WireServer, tmp_path: Path, image: bytes, kind: str
) -> None:
    server.play(CODES)
    path = tmp_path / "picture.bin"
    path.write_bytes(image)
    sources: tuple[Inputs, ...] = (image, path, str(path), [path])
    for source in sources:
        client.encode(source, fit="cover", invert=True)
    assert [request.body for request in server.received] == [image] * 4
    assert {request.headers["content-type"] for request in server.received} == {kind}
    assert server.received[0].query == {"fit": "cover", "invert": "true"}


def test_many_images_travel_as_multipart_in_order(client: Client, server: WireServer, tmp_path: Path) -> None:
    server.play(CODES)
    (tmp_path / "a.png").write_bytes(PNG)
    images: list[ImageSource] = [tmp_path / "a.png", JPEG, WEBP]
    client.encode(images, labels="seven")
    (request,) = server.received
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert request.parts() == [("image/png", PNG), ("image/jpeg", JPEG), ("image/webp", WEBP)]
    assert request.query == {"labels": "seven"}


def test_an_npy_file_is_an_array(client: Client, server: WireServer, tmp_path: Path) -> None:
    server.play(CODES)
    np.save(tmp_path / "x.npy", np.full((2, 3), 0.5, dtype=np.float32))
    client.encode(tmp_path / "x.npy")
    np.testing.assert_array_equal(server.received[0].array(), np.full((2, 3), 0.5))


def test_reconstruct_names_its_options_as_the_contract_does(client: Client, server: WireServer) -> None:
    server.play(
        npz(
            outputs=np.zeros((2, 3)),
            z=np.zeros((2, 1)),
            metrics__mse=np.zeros(2),
            anomaly__score=np.zeros(2),
            anomaly__percentile=np.zeros(2),
            anomaly__is_anomaly=np.zeros(2, dtype=bool),
            anomaly__threshold=0.5,
        )
    )
    client.reconstruct(np.zeros((2, 3)), labels=np.array([1, 2]), target_labels=[4], quantile=0.9, error_map=True)
    expected = {"labels": "1,2", "target_labels": "4", "quantile": "0.9", "error_map": "true"}
    assert server.received[0].query == expected
    client.reconstruct(np.zeros((2, 3)), threshold=np.float64(0.25))
    assert server.received[1].query == {"threshold": "0.25"}


def test_code_waypoints_travel_as_json_because_only_a_key_tells_them_from_vectors(
    client: Client, server: WireServer
) -> None:
    server.play(PATH)
    client.interpolate(z=np.array([[0.1, -2.0], [1.5, 3.0]], dtype=np.float32), steps=2, labels=["a", 2])
    client.interpolate([[1, 2], [3, 4]], space="data", method="lerp", model="m")
    first, second = server.received
    assert first.json() == {
        "z": [[float(np.float32(0.1)), -2.0], [1.5, 3.0]],
        "steps": 2,
        "method": "auto",
        "space": "latent",
        "labels": ["a", 2],
    }
    assert second.json() == {"inputs": [[1.0, 2.0], [3.0, 4.0]], "steps": 8, "method": "lerp", "space": "data"}
    assert second.query == {"model": "m"}
    assert {first.headers["content-type"], second.headers["content-type"]} == {"application/json"}


def test_picture_waypoints_travel_as_they_are(client: Client, server: WireServer) -> None:
    server.play(PATH)
    client.interpolate(np.zeros((2, 4, 4), dtype=np.uint8), steps=5)
    client.interpolate([PNG, JPEG], steps=5)
    expected = {"steps": "5", "method": "auto", "space": "latent"}
    assert [request.query for request in server.received] == [expected, expected]
    assert server.received[0].array().dtype == np.uint8
    assert len(server.received[1].parts()) == 2


def test_sample_travels_as_json(client: Client, server: WireServer) -> None:
    server.play(npz(seed=1, prior="standard", z=np.zeros((2, 3)), outputs=np.zeros((2, 4))))
    client.sample(2, seed=2**53 - 1, temperature=0.7, truncation=2.0, prior="fitted", labels=np.array([3, 1]))
    assert server.received[0].json() == {
        "n": 2,
        "seed": 9007199254740991,
        "temperature": 0.7,
        "truncation": 2.0,
        "prior": "fitted",
        "labels": [3, 1],
    }
    client.sample()
    assert server.received[1].json() == {"n": 16, "temperature": 1.0, "prior": "auto"}


def test_manifold_is_a_query(client: Client, server: WireServer) -> None:
    server.play(npz(dims=[0, 2], values=np.zeros((2, 3)), columns=3, z=np.zeros((9, 3)), outputs=np.zeros((9, 4))))
    client.manifold(3, spacing="linear", extent=4.0, dims=(0, 2), z=[0.5, 1, -1e-9], label="boot")
    request = server.received[0]
    assert (request.method, request.path, request.body) == ("GET", "/manifold", b"")
    assert request.query == {
        "n": "3",
        "spacing": "linear",
        "extent": "4.0",
        "dims": "0,2",
        "z": "0.5,1.0,-1e-09",
        "label": "boot",
    }


def test_every_request_says_who_asks_how_long_and_under_which_id(connect: Connect, server: WireServer) -> None:
    server.play(CODES)
    client = connect(model="digits", timeout_s=12.5, headers={"Authorization": "Bearer k"})
    client.encode([[0.0]])
    client.encode([[0.0]])
    first, second = server.received
    assert first.query == {"model": "digits"}
    assert first.headers["authorization"] == "Bearer k"
    assert first.headers["user-agent"].startswith("latent-client/0.")
    assert 12.0 < float(first.headers["x-request-timeout"]) <= 12.5
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_a_prefix_in_the_base_url_is_kept(connect: Connect, server: WireServer) -> None:
    server.play(CODES)
    connect(f"{server.url}/latent/").encode([[0.0]])
    assert server.received[0].path == "/latent/encode"


UNUSABLE: dict[str, Callable[[Client], object]] = {
    "no picture": lambda client: client.encode(b"GIF89a"),
    "a single number": lambda client: client.encode(3.0),
    "ragged": lambda client: client.encode([[1.0, 2.0], [3.0]]),
    "text": lambda client: client.decode([["a"]]),
    "complex": lambda client: client.decode(np.zeros((1, 2), dtype=complex)),
    "objects": lambda client: client.decode(np.array([[None]], dtype=object)),
    "pickled npy": lambda client: client.encode(b"\x93NUMPY\x01\x00"),
    "no waypoints": lambda client: client.interpolate(),
    "two kinds of waypoints": lambda client: client.interpolate([[1.0]], z=[[1.0]]),
    "NaN in JSON": lambda client: client.interpolate(z=[[float("nan")], [0.0]]),
    "a comma in a query": lambda client: client.encode([[1.0]], labels=["shoe, left"]),
    "labels that don't match": lambda client: client.encode([[1.0], [2.0], [3.0]], labels=[1, 2]),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_no_request_can_carry_is_refused_before_anything_is_sent(
    client: Client, server: WireServer, name: str
) -> None:
    server.play(CODES)
    with pytest.raises(UnusableInput) as caught:
        UNUSABLE[name](client)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LatentError)
    assert len(server.received) == 0


def test_a_path_that_is_not_there_is_the_system_s_own_error(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        client.encode(tmp_path / "missing.png")
    assert caught.value.errno == 2


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("address", "settings"),
    [
        ("localhost:8000", {}),
        ("ftp://host", {}),
        ("http://", {}),
        ("http://host:port", {}),
        ("http://host", {"timeout_s": 0}),
        ("http://host", {"timeout_s": float("nan")}),
        ("http://host", {"retries": -1}),
        ("http://host", {"chunk_items": 0}),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    kind: type[Client | AsyncClient], address: str, settings: dict[str, float]
) -> None:
    with pytest.raises(UnusableInput):
        kind(address, **settings)  # type: ignore[arg-type]


def test_a_misspelt_option_is_a_type_error(client: Client, server: WireServer) -> None:
    with pytest.raises(TypeError, match="smaple"):
        client.encode([[0.0]], smaple=True)  # type: ignore[call-arg]
    assert len(server.received) == 0


def test_the_model_of_a_call_wins_over_the_client_s(connect: Connect, server: WireServer) -> None:
    server.play(CODES)
    client = connect(model="digits")
    answers = [client.encode([[0.0]], model="boots@2"), client.encode([[0.0]])]
    assert [request.query["model"] for request in server.received] == ["boots@2", "digits"]
    assert [answer.model for answer in answers] == [MODEL, MODEL]
