"""Options that several commands share, defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from latent.errors import CommandError

DEFAULT_STORE = Path("store")

Engine = Literal["auto", "openvino", "tensorflow"]

StoreOption = Annotated[
    Path,
    # Whether it can be read is told by whoever reads it, in the system's words.
    typer.Option("--store", envvar="LATENT_STORE", metavar="DIR", help="Directory of the model store.", readable=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ReferenceArgument = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="A model: NAME, NAME@3 or NAME@ALIAS.", show_default=False)
]
VersionArgument = Annotated[
    str | None, typer.Argument(metavar="[VERSION]", help="The version, if it is not in NAME.", show_default=False)
]
TrustedKeysOption = Annotated[
    Path | None,
    typer.Option(
        "--trusted-keys",
        envvar="LATENT_TRUSTED_KEYS",
        metavar="FILE",
        help="Public keys in PEM, one of which must have signed a version.",
        readable=False,
    ),
]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="Runtime; auto is OpenVINO, and TensorFlow where that fails.")
]


def named(reference: str, version: str | None = None) -> str:
    """`NAME@VERSION` of two arguments, the second of which may be left out. Raises CommandError for two versions."""
    if version is None:
        return reference
    if "@" in reference:
        raise CommandError(f"the version is named twice: {reference!r} and {version!r}")
    return f"{reference}@{version}"
