"""Scans whatever stands at a path: a SavedModel, an ONNX model, an OpenVINO IR, or a directory with any of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from model_store.artefacts.files import read_within
from model_store.artefacts.onnx import scan_onnx
from model_store.artefacts.openvino_ir import MAX_XML_BYTES, scan_ir
from model_store.artefacts.results import Scan
from model_store.artefacts.saved_model import MAX_GRAPH_BYTES
from model_store.artefacts.scan_saved_model import scan_saved_model
from model_store.artefacts.scanned import SAVED_MODEL
from model_store.errors import ArtefactUnreadable, FileUnreadable, StoreError
from model_store.files import shown, words
from model_store.litter import is_litter

_OTHER_FORMS = ("saved_model.pbtxt", "saved_model.cpb")
"""Forms of a SavedModel that TensorFlow would read, and no scan does."""


@dataclass(frozen=True)
class FoundArtefact:
    """A network's file, and what a scan of it said."""

    path: Path
    result: Scan | StoreError


def scan_path(path: Path) -> Iterator[FoundArtefact]:
    """Scan a file, or every network below a directory. Raises ArtefactUnreadable where there is none.

    Links are not followed. A directory that cannot be read is a finding too: what is in it is not known to be sound.
    """
    closed: list[OSError] = []
    files = sorted(_below(path, closed.append)) if path.is_dir() else [path]
    found = bool(closed)
    for error in closed:
        name = Path(error.filename).name
        yield FoundArtefact(Path(error.filename), FileUnreadable(f"{shown(name)} cannot be read ({words(error)})"))
    for file in files:
        scanner = _scanner_of(file)
        if scanner is not None:
            found = True
            yield FoundArtefact(file, _scanned(file, scanner))
    if not found:
        raise ArtefactUnreadable(f"{shown(path)} is no SavedModel, ONNX model or OpenVINO IR, and holds none")


def _below(directory: Path, closed: Callable[[OSError], object]) -> Iterator[Path]:
    """Files below a directory, but those that operating systems leave behind; `closed` hears of what cannot be read."""
    for parent, _, names in os.walk(directory, onerror=closed):
        for name in names:
            if not is_litter(name):
                yield Path(parent, name)


def _scanned(file: Path, scanner: Callable[[Path], Scan]) -> Scan | StoreError:
    try:
        return scanner(file)
    except StoreError as error:
        return error


def _scanner_of(file: Path) -> Callable[[Path], Scan] | None:
    if file.name == SAVED_MODEL:
        return _scan_saved_model
    if file.name in _OTHER_FORMS:
        return _refuse_form
    return {".onnx": _scan_onnx, ".xml": _scan_ir}.get(file.suffix.lower())


def _scan_saved_model(file: Path) -> Scan:
    return scan_saved_model(read_within(file, shown(file.name), MAX_GRAPH_BYTES))


def _scan_onnx(file: Path) -> Scan:
    return scan_onnx(read_within(file, shown(file.name), MAX_GRAPH_BYTES), file.parent)


def _scan_ir(file: Path) -> Scan:
    return scan_ir(read_within(file, shown(file.name), MAX_XML_BYTES))


def _refuse_form(file: Path) -> Scan:
    raise ArtefactUnreadable(f"{file.name} is a form of a SavedModel that is not read: save it as {SAVED_MODEL}")
