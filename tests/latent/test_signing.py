"""`latent models keygen`, `sign` and `verify --trusted-keys`."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store.keys import read_public_keys
from tests.latent.conftest import Latent


def test_a_key_is_made_a_version_signed_and_verified(latent: Latent, fresh: Path, tmp_path: Path) -> None:
    key, public = tmp_path / "key", tmp_path / "key.pub"
    made = latent("models", "keygen", key)
    assert made.code == 0
    (name,) = read_public_keys(public)
    assert f"{key}: the private key {name}" in made.out
    assert f"LATENT_TRUSTED_KEYS={public}" in made.out
    assert latent("models", "keygen", key).complaint == f"{public} exists; a key is never overwritten"

    verify = ("models", "verify", "image@1", "--store", fresh, "--trusted-keys", public)
    refused = latent(*verify)
    assert refused.complaint == "1 of 1 damaged: image@1"
    assert refused.out.startswith("image@1: NotSigned: not-signed: it has no manifest.sig")
    document = latent("models", "sign", "image", "--key", key, "--store", fresh, "--json").document
    assert document == {"name": "image", "version": 1, "key": name}
    assert latent(*verify).out == "image@1: sound\n"
    assert latent("models", "verify", "image@1", "--store", fresh).out == "image@1: sound\n"


def test_the_environment_names_the_trusted_keys(
    latent: Latent, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert latent("models", "keygen", tmp_path / "key", "--json").document["private"] == str(tmp_path / "key")
    monkeypatch.setenv("LATENT_TRUSTED_KEYS", str(tmp_path / "key.pub"))
    assert "not-signed" in latent("models", "promote", "image", "--store", fresh).complaint
    assert latent("models", "sign", "image", "1", "--key", tmp_path / "key", "--store", fresh).code == 0
    assert latent("models", "promote", "image", "--store", fresh).code == 0


def test_what_cannot_be_signed_is_said_in_one_line(latent: Latent, fresh: Path, tmp_path: Path) -> None:
    latent("models", "keygen", tmp_path / "key")
    sign = ("models", "sign", "image@1", "--store", fresh, "--key")
    assert "cannot be read (No such file" in latent(*sign, tmp_path / "nothing").complaint
    (tmp_path / "key").chmod(0o644)
    assert "may be read by others: chmod 600" in latent(*sign, tmp_path / "key").complaint
    (tmp_path / "key").chmod(0o600)
    (fresh / "image" / "1" / "golden.npz").write_bytes(b"")
    assert "golden.npz has 0 bytes" in latent(*sign, tmp_path / "key").complaint
    assert not (fresh / "image" / "1" / "manifest.sig").exists()
