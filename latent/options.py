"""Options that several commands share, defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

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
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="Runtime; auto is OpenVINO, and TensorFlow where that fails.")
]
