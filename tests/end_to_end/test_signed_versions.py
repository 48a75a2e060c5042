"""A service with LATENT_TRUSTED_KEYS: only versions that a trusted key has signed are served, whatever is published."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_store import ModelStore
from model_store.keys import read_private_key
from tests.service.stores import WATCH_S, Publisher, serves, states, wait_for_log, wait_until
from tests.support.server import ROOT, RunningServer, environment, running_server

GREY = {"inputs": [[[0.5] * 4] * 4]}


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def publisher(store: ModelStore, affine_store: ModelStore) -> Publisher:
    return Publisher(store, affine_store, "digits")


def sign(store: ModelStore, keys: Path, reference: str, by: str = "ours") -> None:
    store.sign(reference, read_private_key(keys / by))


def reason(server: RunningServer, version: int) -> str:
    """Why a version failed, once it has."""
    failed = wait_until(server, "digits", lambda model: model and states(model).get(version) == "failed")
    return next(str(listed["reason"]) for listed in failed["versions"] if listed["version"] == version)


def test_what_is_not_signed_never_takes_over_and_a_rollback_works(
    store: ModelStore, publisher: Publisher, keys: Path
) -> None:
    for version in (1, 2):
        publisher.publish("image")
        sign(store, keys, f"digits@{version}")
    with running_server(store.path, trusted_keys=keys / "ours.pub", watch_s=WATCH_S, engine="openvino") as server:
        wait_until(server, "digits", serves(2))
        publisher.publish("image")
        publisher.publish("image")
        sign(store, keys, "digits@4", "theirs")
        wait_for_log(server, "version failed", model="digits@3")
        assert reason(server, 3).startswith("NotSigned: not-signed: it has no manifest.sig")
        untrusted = wait_until(server, "digits", lambda model: "Untrusted: untrusted: it is signed by" in str(model))
        assert serves(2)(untrusted)
        assert server.http.get("/readyz").status_code == 200
        assert server.http.post("/encode", json=GREY).status_code == 200
        for version in (3, 4):
            assert server.http.post("/encode", params={"model": f"digits@{version}"}, json=GREY).status_code == 503
            assert server.http.get(f"/models/digits/versions/{version}").json()["manifest"] is None
            report = f"/models/digits/versions/{version}/report/metrics.json"
            assert server.http.get(report).status_code == 404, "nothing of it is shown"
        assert server.http.get("/models/digits/versions/2/report/metrics.json").status_code == 200

        store.promote("digits@3")
        held = wait_until(server, "digits", lambda model: "not-signed" in str(model["reason"]))
        assert serves(2)(held)
        sign(store, keys, "digits@3")
        wait_until(server, "digits", serves(3))
        store.promote("digits@1")
        wait_until(server, "digits", serves(1))
        store.roll_back("digits")
        wait_until(server, "digits", serves(3))


def test_where_nothing_is_signed_nothing_is_served(store: ModelStore, publisher: Publisher, keys: Path) -> None:
    publisher.publish("image")
    with running_server(store.path, ready=503, trusted_keys=keys / "ours.pub", engine="openvino") as server:
        assert "not-signed" in reason(server, 1)
        assert "not-signed" in server.http.get("/readyz").text
        refused = server.http.post("/encode", json=GREY)
        assert refused.status_code == 503
        assert "not-signed" in refused.text


def test_a_key_file_that_cannot_be_used_stops_the_start_in_one_line(
    store: ModelStore, publisher: Publisher, keys: Path, tmp_path: Path
) -> None:
    publisher.publish("image")
    (tmp_path / "empty.pub").write_text("")
    for file, said in (
        (tmp_path / "empty.pub", "holds no list of 1 to 1000 public keys in PEM"),
        (keys / "ours", "holds a private key"),
        (tmp_path / "nowhere", "LATENT_TRUSTED_KEYS"),
    ):
        started = subprocess.run(
            [sys.executable, "-m", "latent.cli", "serve", "--port", "0"],
            cwd=ROOT,
            env=environment({"store": store.path, "trusted_keys": file}, [ROOT / "client"]),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert started.returncode == 2
        assert started.stderr.count("\n") == 1
        assert said in started.stderr


def test_the_commands_keep_to_the_trusted_keys_as_well(
    store: ModelStore, publisher: Publisher, keys: Path, tmp_path: Path
) -> None:
    publisher.publish("image")
    picture = tmp_path / "x.json"
    picture.write_text(json.dumps(GREY["inputs"]))
    np.save(tmp_path / "x.npy", np.full((3, 4, 4, 1), 0.5, np.float32))
    given = environment({"store": store.path, "trusted_keys": keys / "ours.pub"}, [ROOT / "client"])

    def latent(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "latent.cli", *map(str, arguments)],
            cwd=tmp_path,
            env=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    commands: list[list[object]] = [
        ["models", "verify", "digits@1"],
        ["models", "promote", "digits"],
        ["encode", "digits", picture],
        ["encode", "digits", "x.npy", "-o", "codes.npy"],
    ]
    for command in commands:
        refused = latent(*command)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused
        assert "not-signed" in refused.stdout + refused.stderr or "1 of 1 damaged" in refused.stderr
    signed = latent("models", "sign", "digits@1", "--key", keys / "ours")
    assert (signed.returncode, signed.stderr) == (0, "")
    assert signed.stdout.startswith("digits@1 is signed by ")
    for command in commands:
        accepted = latent(*command)
        assert accepted.returncode == 0, accepted
