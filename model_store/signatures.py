"""manifest.sig: who has signed a version. Ed25519 over the digest of manifest.json, which covers every other file.

One line a signature: `ed25519`, the key's id, the signature in base64. The file stands beside the manifest, and the
manifest does not list it: a version is signed after it was published, and may be signed again by others.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model_store import limits
from model_store.errors import BadSignature, NotSigned, Untrusted
from model_store.keys import key_id, read_public_keys
from model_store.version_files import read_version_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURES = "manifest.sig"

_PREFIX = b"latent version, signed manifest.json, v1\0"
"""Stands before the digest in what is signed, so that a signature for another purpose is none of a version."""
_LINE = re.compile(r"ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)")


@dataclass(frozen=True)
class TrustedKeys:
    """Public keys, one of which must have signed a version that is to be used."""

    keys: dict[str, Ed25519PublicKey]
    """By their ids."""

    @classmethod
    def read(cls, path: Path | None) -> TrustedKeys | None:
        """Read a file of public keys in PEM; None for no path, which trusts every version. Raises KeyUnreadable."""
        return None if path is None else cls(read_public_keys(path))

    def check(self, directory: Path, digest: bytes) -> str:
        """The id of the key that signed the version whose manifest.json has this SHA-256.

        Raises NotSigned, Untrusted, BadSignature, FileUnreadable or UnsafePath.
        """
        signatures = read_signatures(directory)
        if not signatures:
            raise NotSigned(f"not-signed: it has no {SIGNATURES}, and only versions signed by a trusted key are served")
        for name, signature in signatures.items():
            key = self.keys.get(name)
            if key is not None and _is_valid(key, signature, digest):
                return name
        forged = sorted(signatures.keys() & self.keys.keys())
        said = (
            f"its signature by {forged[0]} is not of this manifest" if forged else f"it is signed by {_few(signatures)}"
        )
        raise Untrusted(f"untrusted: {said}; the trusted keys are {_few(self.keys)}")


def read_signatures(directory: Path) -> dict[str, bytes]:
    """The signatures of a version by the ids of their keys; none where it has no manifest.sig.

    Raises BadSignature, FileUnreadable or UnsafePath.
    """
    try:
        data = read_version_file(directory / SIGNATURES, SIGNATURES, limits.SIGNATURES_BYTES, BadSignature)
    except FileNotFoundError:
        return {}
    found: dict[str, bytes] = {}
    for line in data.decode("ascii", "replace").split("\n")[:-1]:
        matched = _LINE.fullmatch(line)
        if matched is None or matched[1] in found:
            raise BadSignature(f"{SIGNATURES} has a line that is no signature, or two of one key")
        found[matched[1]] = base64.b64decode(matched[2], validate=True)
    if _text(found) != data:
        raise BadSignature(f"{SIGNATURES} is not in the form in which it is written")
    return found


def signed(signatures: dict[str, bytes], key: Ed25519PrivateKey, digest: bytes) -> bytes:
    """The content of manifest.sig with one signature more, or with a newer one by the same key. Raises BadSignature."""
    added = {**signatures, key_id(key.public_key()): key.sign(_PREFIX + digest)}
    if len(added) > limits.SIGNATURES:
        raise BadSignature(f"{SIGNATURES} holds at most {limits.SIGNATURES} signatures")
    return _text(added)


def _is_valid(key: Ed25519PublicKey, signature: bytes, digest: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, _PREFIX + digest)
    except InvalidSignature:
        return False
    return True


def _text(signatures: dict[str, bytes]) -> bytes:
    lines = (f"ed25519 {name} {base64.b64encode(signature).decode()}\n" for name, signature in signatures.items())
    return "".join(lines).encode()


def _few(names: dict[str, bytes] | dict[str, Ed25519PublicKey]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (" …" if len(listed) > 3 else "")
