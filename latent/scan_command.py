"""`latent models scan`: the operations of networks, and whether all are allowed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from latent.errors import CommandError
from latent.options import DEFAULT_STORE, JsonOption, StoreOption
from latent.output import print_json, print_table
from model_store import ModelStore
from model_store.artefacts import FoundArtefact, scan_path
from model_store.errors import StoreError
from model_store.versions import parse_reference


@dataclass(frozen=True)
class ScannedFile:
    """One line of `latent models scan`."""

    path: str
    format: str | None
    operations: dict[str, int]
    """How often each operation stands in what is served."""
    error: str | None
    """Why it is refused: the kind of the error; None if it is not."""
    detail: str | None
    not_for_tensorflow: str | None
    """Why TensorFlow may not load it, though it is sound."""

    @classmethod
    def of(cls, found: FoundArtefact) -> ScannedFile:
        """What a scan said, as a line."""
        result = found.result
        if isinstance(result, StoreError):
            return cls(str(found.path), None, {}, type(result).__name__, str(result), None)
        barred = None if result.not_for_tensorflow is None else str(result.not_for_tensorflow)
        return cls(str(found.path), result.format, dict(result.operations), None, None, barred)

    @property
    def verdict(self) -> str:
        """The verdict as text for people."""
        if self.error is not None:
            return f"{self.error}: {self.detail}"
        return (
            "sound" if self.not_for_tensorflow is None else f"sound, but not for TensorFlow: {self.not_for_tensorflow}"
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(scan)


def scan(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="NAME[@VERSION] | PATH…", help="Versions of the store, or files and directories."),
    ],
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Tell which operations networks have, and whether all are allowed. Runs nothing of them."""
    found = [artefact for target in targets for artefact in scan_path(_scanned_path(target, ModelStore(store)))]
    rows = [ScannedFile.of(artefact) for artefact in found]
    if as_json:
        print_json({"artefacts": [asdict(row) for row in rows]})
    else:
        print_table(
            ["artefact", "format", "operations", "kinds", "verdict"],
            [
                [row.path, row.format, sum(row.operations.values()), len(row.operations), row.verdict]
                if row.error is None
                else [row.path, row.format, None, None, row.verdict]
                for row in rows
            ],
            folding=["artefact", "verdict"],
        )
    if refused := [row for row in rows if row.error is not None]:
        raise CommandError(f"{len(refused)} of {len(rows)} refused: {refused[0].path}: {refused[0].detail}")


def _scanned_path(target: str, store: ModelStore) -> Path:
    """A path as it is; else a version's directory, or a model's. A name of the store wins over a path."""
    path = Path(target)
    try:
        reference = parse_reference(target)
        known = reference.name in store.names()
    except StoreError:
        known = False
    if not known:
        if not path.exists() and "/" not in target:
            store.resolve(target)
        return path
    return store.directory(*store.resolve(target))
