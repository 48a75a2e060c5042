"""Ed25519 keys in PEM files: a private key to sign with (PKCS#8), public keys to trust (SubjectPublicKeyInfo).

These are the files that `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write, too.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from model_store.errors import KeyUnreadable
from model_store.files import read_bounded, shown, words

if TYPE_CHECKING:  # the package is imported by who signs or checks signatures, and by nobody else
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_SUFFIX = ".pub"

_MAX_BYTES = 1 << 20
_MAX_KEYS = 1000
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


def key_id(key: Ed25519PublicKey) -> str:
    """A short name of a public key: the first 16 digits of its SHA-256. It says which key to try; it proves nothing."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def write_new_key(path: Path) -> Ed25519PublicKey:
    """Write a new private key (mode 0600), and its public half beside it (`.pub`); return that.

    Raises KeyUnreadable where one of the files exists: a key is never overwritten.
    """
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    public_path = path.with_name(path.name + PUBLIC_SUFFIX)
    if os.path.lexists(public_path):
        raise KeyUnreadable(f"{shown(public_path)} exists; a key is never overwritten")
    secret = private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    _write_new(path, secret, 0o600)
    _write_new(public_path, public.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key that nobody but its owner may read. Raises KeyUnreadable."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data, mode = _read(path)
    if mode & 0o077:
        raise KeyUnreadable(f"{shown(path)} may be read by others: chmod 600 {shown(path)}")
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise KeyUnreadable(f"{shown(path)} is encrypted; a key without a passphrase is needed") from error
    except Exception as error:  # the package has errors of many kinds for bytes that are none of its
        raise KeyUnreadable(f"{shown(path)} holds no private key in PEM (PKCS#8)") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable(f"{shown(path)} holds a key of another kind than Ed25519")
    return key


def read_public_keys(path: Path) -> dict[str, Ed25519PublicKey]:
    """Read the public keys of a file, by their ids. Raises KeyUnreadable for one without any, or with another kind."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data, _ = _read(path)
    if b"PRIVATE KEY-----" in data:
        raise KeyUnreadable(
            f"{shown(path)} holds a private key; what is trusted are public ones (its {PUBLIC_SUFFIX} file)"
        )
    blocks = _PUBLIC.findall(data)
    if not blocks or len(blocks) > _MAX_KEYS or data.count(b"-----BEGIN") != len(blocks):
        raise KeyUnreadable(f"{shown(path)} holds no list of 1 to {_MAX_KEYS} public keys in PEM")
    found: dict[str, Ed25519PublicKey] = {}
    for block in blocks:
        try:
            key = load_pem_public_key(block)
        except Exception as error:
            raise KeyUnreadable(f"{shown(path)}: its public key {len(found) + 1} cannot be read") from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyUnreadable(f"{shown(path)}: its public key {len(found) + 1} is of another kind than Ed25519")
        found[key_id(key)] = key
    return found


def _read(path: Path) -> tuple[bytes, int]:
    """The content of a key file, and its permissions."""
    try:
        return read_bounded(path, _MAX_BYTES), stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise KeyUnreadable(f"{shown(path)} cannot be read ({words(error)})") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as error:
        raise KeyUnreadable(f"{shown(path)} exists; a key is never overwritten") from error
    except OSError as error:
        raise KeyUnreadable(f"{shown(path)} cannot be written ({words(error)})") from error
