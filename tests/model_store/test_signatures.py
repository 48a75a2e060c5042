"""Signed versions: keys in PEM, manifest.sig, and what only trusted keys let through."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from model_store import ModelStore, limits
from model_store.errors import (
    BadSignature,
    FileUnlisted,
    FileUnreadable,
    KeyUnreadable,
    ManifestAltered,
    NotSigned,
    UnknownVersion,
    UnsafePath,
    Untrusted,
    VersionDamaged,
    WrongPlace,
)
from model_store.keys import key_id, read_private_key, read_public_keys, write_new_key
from model_store.signatures import SIGNATURES, TrustedKeys, read_signatures
from model_store.verify import DIGEST, MANIFEST, digest_line, verify_version
from tests.support.publisher import republish


@pytest.fixture
def ours(keys: Path) -> TrustedKeys:
    trusted = TrustedKeys.read(keys / "ours.pub")
    assert trusted is not None
    return trusted


def sign(store: ModelStore, keys: Path, *names: str, reference: str = "image@1") -> Path:
    for name in names:
        store.sign(reference, read_private_key(keys / name))
    return store.directory(*store.resolve(reference))


def test_a_signed_version_is_sound(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    version = fresh_store.directory("image", 1)
    with pytest.raises(NotSigned, match=r"^not-signed: it has no manifest\.sig"):
        verify_version(version, ours)
    assert fresh_store.sign("image", read_private_key(keys / "ours")) == ("image", 1)
    assert verify_version(version, ours) == verify_version(version) == fresh_store.manifest("image", 1)
    (name,) = ours.keys
    assert (version / SIGNATURES).read_text().startswith(f"ed25519 {name} ")
    assert sorted(path.name for path in version.parent.iterdir()) == ["1", "history.json"], "no temporary file stays"


def test_keys_without_trust_are_refused_with_their_ids(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    version = sign(fresh_store, keys, "theirs")
    (their_id,) = read_public_keys(keys / "theirs.pub")
    (our_id,) = ours.keys
    with pytest.raises(Untrusted, match=f"^untrusted: it is signed by {their_id}; the trusted keys are {our_id}$"):
        verify_version(version, ours)
    sign(fresh_store, keys, "ours")
    verify_version(version, ours)
    assert sorted(read_signatures(version)) == sorted([their_id, our_id]), "both signatures stand"
    before = (version / SIGNATURES).read_bytes()
    sign(fresh_store, keys, "ours")
    assert (version / SIGNATURES).read_bytes() == before, "signed again, it is the same"


def test_any_of_several_trusted_keys_will_do(fresh_store: ModelStore, keys: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.pub"
    both.write_text(f"ours\n{(keys / 'ours.pub').read_text()}\n{(keys / 'theirs.pub').read_text()}")
    trusted = TrustedKeys.read(both)
    assert trusted is not None
    assert len(trusted.keys) == 2
    verify_version(sign(fresh_store, keys, "theirs"), trusted)
    assert TrustedKeys.read(None) is None


def resealed(version: Path, change: Callable[[dict[str, object]], object]) -> None:
    document = json.loads((version / MANIFEST).read_bytes())
    change(document)
    data = json.dumps(document).encode()
    (version / MANIFEST).write_bytes(data)
    (version / DIGEST).write_bytes(digest_line(data))


def test_a_signature_is_of_one_manifest(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    version = sign(fresh_store, keys, "ours")
    (our_id,) = ours.keys
    resealed(version, lambda document: document.update(seed=8))
    verify_version(version)
    with pytest.raises(Untrusted, match=f"its signature by {our_id} is not of this manifest"):
        verify_version(version, ours)


def test_a_signature_is_of_one_name_and_number(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    """A signed version in another's place, its manifest and signature with it."""
    version = sign(fresh_store, keys, "ours")
    copied = shutil.copytree(version, version.parent / "2")
    with pytest.raises(WrongPlace):
        verify_version(copied, ours)
    newer = republish(fresh_store.path, "image", version)
    directory = fresh_store.directory("image", newer.version)
    assert not (directory / SIGNATURES).exists(), "a copy that is published is another version, and not signed"
    shutil.copy(version / SIGNATURES, directory)
    with pytest.raises(Untrusted, match="is not of this manifest"):
        verify_version(directory, ours)


def test_a_signature_covers_every_file(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    version = sign(fresh_store, keys, "ours")
    (version / "report" / "metrics.json").write_text("{}")
    with pytest.raises(VersionDamaged, match=r"report/metrics\.json has 2 bytes"):
        verify_version(version, ours)
    with pytest.raises(VersionDamaged):
        fresh_store.sign("image@1", read_private_key(keys / "ours"))


def test_a_signature_for_another_purpose_is_none(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    """The bare digest, signed by the right key."""
    version = sign(fresh_store, keys, "ours")
    bare = read_private_key(keys / "ours").sign(hashlib.sha256((version / MANIFEST).read_bytes()).digest())
    (our_id,) = ours.keys
    (version / SIGNATURES).write_text(f"ed25519 {our_id} {base64.b64encode(bare).decode()}\n")
    with pytest.raises(Untrusted, match="is not of this manifest"):
        verify_version(version, ours)


def test_the_store_uses_its_trusted_keys_everywhere(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    trusting = ModelStore(fresh_store.path, ours)
    sign(fresh_store, keys, "ours")
    republish(fresh_store.path, "image", fresh_store.directory("image", 1))
    assert trusting.manifest("image", 1).version == 1
    with pytest.raises(NotSigned):
        trusting.manifest("image", 2)
    found = {finding.subject: type(finding.error) for finding in trusting.verify("image")}
    assert found == {"image@1": type(None), "image@2": NotSigned, "image (aliases and history)": type(None)}
    with pytest.raises(NotSigned):
        trusting.promote("image@2")
    assert trusting.promote("image@1") == ("image", 1)
    with pytest.raises(UnknownVersion):
        trusting.sign("image@9", read_private_key(keys / "ours"))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"x",
        lambda data: data[:-1],
        lambda data: data + data,
        lambda data: data.replace(b"ed25519", b"ed448"),
        lambda data: data.replace(b" ", b"  "),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data + b"\n",
        lambda data: b"\xff" + data,
        lambda data: data * 100,
        lambda _: b"{}\n",
    ],
)
def test_a_file_in_another_form_is_refused(
    fresh_store: ModelStore, keys: Path, ours: TrustedKeys, change: Callable[[bytes], bytes]
) -> None:
    version = sign(fresh_store, keys, "ours")
    (version / SIGNATURES).write_bytes(change((version / SIGNATURES).read_bytes()))
    with pytest.raises(BadSignature):
        verify_version(version, ours)
    with pytest.raises(BadSignature):
        fresh_store.sign("image@1", read_private_key(keys / "ours"))


def test_the_file_is_read_as_every_other_of_a_version(fresh_store: ModelStore, keys: Path, ours: TrustedKeys) -> None:
    """Within a limit, and never waited for; a file that cannot be read may be readable later."""
    version = sign(fresh_store, keys, "ours")
    (version / SIGNATURES).unlink()
    os.mkfifo(version / SIGNATURES)
    with pytest.raises(UnsafePath, match=r"^manifest\.sig is no regular file but a pipe$"):
        verify_version(version, ours)
    (version / SIGNATURES).unlink()
    (version / SIGNATURES).symlink_to(SIGNATURES)
    with pytest.raises(FileUnreadable, match=r"^manifest\.sig cannot be read \(Too many levels of symbolic links\)$"):
        verify_version(version, ours)
    (version / SIGNATURES).unlink()
    with (version / SIGNATURES).open("wb") as file:
        file.truncate(limits.SIGNATURES_BYTES + 1)
    with pytest.raises(BadSignature, match=r"it has 8193 bytes; at most 8192 are read"):
        verify_version(version, ours)


def test_what_systems_leave_behind_does_not_harm_a_signed_version(
    fresh_store: ModelStore, keys: Path, ours: TrustedKeys
) -> None:
    version = sign(fresh_store, keys, "ours")
    for name in ("._manifest.sig", ".DS_Store", "encoder/._saved_model.pb"):
        (version / name).write_bytes(b"litter")
    verify_version(version, ours)
    sign(fresh_store, keys, "theirs")
    verify_version(version, ours)


@given(noise=st.binary(max_size=300))
def test_noise_is_no_signature(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.getbasetemp()
    (directory / SIGNATURES).write_bytes(noise)
    try:
        assert read_signatures(directory) == {} or noise.startswith(b"ed25519 ")
    except BadSignature:
        pass
    finally:
        (directory / SIGNATURES).unlink()


def test_no_other_file_may_stand_beside_the_manifest(fresh_store: ModelStore) -> None:
    (fresh_store.directory("image", 1) / "manifest.sig2").write_text("")
    with pytest.raises(FileUnlisted):
        verify_version(fresh_store.directory("image", 1))


def test_a_manifest_that_changes_while_it_is_signed(
    fresh_store: ModelStore, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is signed is what was verified."""
    version = fresh_store.directory("image", 1)

    def verified(directory: Path) -> object:
        manifest = verify_version(directory)
        resealed(directory, lambda document: document.update(seed=8))
        return manifest

    monkeypatch.setattr("model_store.store.verify_version", verified)
    with pytest.raises(ManifestAltered, match="changed while it was verified"):
        fresh_store.sign("image@1", read_private_key(keys / "ours"))
    assert not (version / SIGNATURES).exists()


# -- keys --------------------------------------------------------------------------------------------------


def test_a_new_pair_of_keys(tmp_path: Path) -> None:
    public = write_new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert key_id(read_private_key(tmp_path / "key").public_key()) == key_id(public)
    assert list(read_public_keys(tmp_path / "key.pub")) == [key_id(public)]
    before = (tmp_path / "key").read_bytes()
    for existing in ("key", "key.pub"):
        with pytest.raises(KeyUnreadable, match="exists; a key is never overwritten"):
            write_new_key(tmp_path / "key")
        (tmp_path / "key.pub").unlink(missing_ok=True)
        assert (tmp_path / "key").read_bytes() == before, existing
    with pytest.raises(KeyUnreadable, match="cannot be written"):
        write_new_key(tmp_path / "nowhere" / "key")


def test_a_private_key_that_others_may_read_is_refused(keys: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(keys / "ours", tmp_path))
    for mode in (0o640, 0o604, 0o644):
        copy.chmod(mode)
        with pytest.raises(KeyUnreadable, match="may be read by others: chmod 600"):
            read_private_key(copy)
    copy.chmod(0o400)
    read_private_key(copy)


def pem(key: object) -> tuple[bytes, bytes]:
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())  # type: ignore[attr-defined]
    public = key.public_key().public_bytes(  # type: ignore[attr-defined]
        forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def test_what_is_no_key_is_said(keys: Path, tmp_path: Path) -> None:
    private, public = pem(ec.generate_private_key(ec.SECP256R1()))
    encrypted = ed25519.Ed25519PrivateKey.generate().private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"secret")
    )
    file = tmp_path / "file"
    for data, said in (
        (private, "of another kind than Ed25519"),
        (public, "no private key in PEM"),
        (encrypted, "is encrypted"),
        (b"noise", "no private key in PEM"),
        (b"", "no private key in PEM"),
        (b"a" * (1 << 20 | 1), "at most 1048576 are read"),
    ):
        file.write_bytes(data)
        file.chmod(0o600)
        with pytest.raises(KeyUnreadable, match=said):
            read_private_key(file)
    ours = (keys / "ours.pub").read_bytes()
    for data, said in (
        (public, "its public key 1 is of another kind"),
        (ours + public, "its public key 2 is of another kind"),
        ((keys / "ours").read_bytes(), "holds a private key"),
        (ours + (keys / "ours").read_bytes(), "holds a private key"),
        (b"", "no list of 1 to 1000 public keys"),
        (ours + b"-----BEGIN PUBLIC KEY-----\n", "no list of 1 to 1000 public keys"),
        (ours.replace(b"M", b"-", 1), "its public key 1 cannot be read"),
    ):
        file.write_bytes(data)
        with pytest.raises(KeyUnreadable, match=said):
            read_public_keys(file)
    for read in (read_private_key, read_public_keys):
        with pytest.raises(KeyUnreadable, match=r"cannot be read \(No such file"):
            read(tmp_path / "nothing")
        with pytest.raises(KeyUnreadable, match=r"cannot be read \(Is a directory\)"):
            read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for read in (read_private_key, read_public_keys):
        with pytest.raises(KeyUnreadable, match="it is a pipe, no regular file"):
            read(tmp_path / "pipe")


def test_openssl_reads_and_writes_the_same_files(keys: Path, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl")
    old = os.umask(0o077)
    try:
        subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key"], check=True)
    finally:
        os.umask(old)
    subprocess.run([openssl, "pkey", "-in", tmp_path / "key", "-pubout", "-out", tmp_path / "key.pub"], check=True)
    assert list(read_public_keys(tmp_path / "key.pub")) == [key_id(read_private_key(tmp_path / "key").public_key())]
    shown = subprocess.run([openssl, "pkey", "-in", keys / "ours", "-pubout"], check=True, capture_output=True)
    assert shown.stdout == (keys / "ours.pub").read_bytes()
