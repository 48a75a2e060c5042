"""`latent models keygen` and `sign`: keys, and the signatures of versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latent.options import DEFAULT_STORE, JsonOption, ReferenceArgument, StoreOption, VersionArgument, named
from latent.output import print_json, say
from model_store import ModelStore
from model_store.keys import PUBLIC_SUFFIX, key_id, read_private_key, write_new_key


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(keygen)
    app.command()(sign)


def keygen(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The private key; FILE.pub is the public one.", readable=False)
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a pair of Ed25519 keys: one to sign with, one to trust."""
    name = key_id(write_new_key(file))
    public = file.with_name(file.name + PUBLIC_SUFFIX)
    if as_json:
        print_json({"key": name, "private": str(file), "public": str(public)})
        return
    say(f"{file}: the private key {name}; keep it secret, and sign with it: latent models sign NAME --key {file}")
    say(f"{public}: the public one; serve what it signed: LATENT_TRUSTED_KEYS={public}")


def sign(
    reference: ReferenceArgument,
    version: VersionArgument = None,
    *,
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="Private key in PEM, of mode 0600.", readable=False)
    ],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Sign a version (the newest, where none is named), once it is verified."""
    private = read_private_key(key)
    name, number = ModelStore(store).sign(named(reference, version), private)
    signer = key_id(private.public_key())
    if as_json:
        print_json({"name": name, "version": number, "key": signer})
    else:
        say(f"{name}@{number} is signed by {signer}")
