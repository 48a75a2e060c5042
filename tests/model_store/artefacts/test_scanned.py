"""What an engine is given: only what was scanned, byte for byte."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from model_store import ModelStore
from model_store.artefacts import Scan, ScannedArtefact, scan_half, scan_path, scanned
from model_store.errors import (
    ArtefactUnreadable,
    FileAltered,
    FileMissing,
    FileUnreadable,
    ForbiddenOperation,
    UnsafePath,
)
from model_store.verify import scan_halves, verify_and_scan
from tests.support.saved_models import node, saved_model, write_half


def test_only_the_scanner_makes_one(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="made by scan_half alone"):
        ScannedArtefact(tmp_path, b"", Scan("SavedModel", {}), made_by=object())


def test_an_engine_reads_the_bytes_that_were_scanned(fresh_store: ModelStore) -> None:
    """Whatever is written to the store after the scan."""
    version = fresh_store.directory("image", 1)
    manifest, halves = verify_and_scan(version)
    before = (version / "encoder" / "saved_model.pb").read_bytes()
    write_half(version / "encoder", [node("WriteFile", "outputs")])
    (version / "encoder" / "saved_model.cpb").write_bytes(b"another form, which TensorFlow might prefer")
    with halves.encoder.opened() as directory:
        assert directory.name == halves.encoder.name == "encoder"
        assert sorted(path.name for path in directory.iterdir()) == ["saved_model.pb", "variables"]
        assert (directory / "saved_model.pb").read_bytes() == before
        assert directory.parent.stat().st_mode & 0o777 == 0o700
        assert (directory / "variables").resolve() == version / "encoder" / "variables"
    assert not directory.parent.exists()
    assert (version / "encoder" / "variables").is_dir()
    with pytest.raises(FileAltered, match=r"encoder/saved_model\.pb does not have the SHA-256"):
        scan_halves(version, manifest.files)
    with pytest.raises(FileAltered):
        scan_half(version / "encoder", {})


def test_a_relative_store_is_followed_too(fresh_store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fresh_store.path)
    with scan_half(Path("image/1/encoder")).opened() as directory:
        assert (directory / "variables" / "variables.index").is_file()


def test_what_bars_tensorflow_alone_is_raised_for_it_alone(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    artefact = scan_half(write_half(tmp_path / "half", [node("Placeholder", "outputs")]))
    with artefact.opened_for_tensorflow() as directory:
        assert directory.is_dir()
    (tmp_path / "half" / "saved_model.pb").write_bytes(saved_model([node("Placeholder", "outputs")]))
    artefact = scan_half(tmp_path / "half")
    with pytest.raises(ArtefactUnreadable, match="TensorFlow 1 saved it"), artefact.opened_for_tensorflow():
        pass
    with artefact.opened() as directory:
        assert directory.is_dir()


def test_where_nothing_else_can_be_written_memory_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(scanned, "_MEMORY", memory)
    artefact = scan_half(write_half(tmp_path / "half", [node("Placeholder", "outputs")]))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with artefact.opened() as directory:
        assert directory.is_relative_to(memory)
    assert list(memory.iterdir()) == []
    memory.rmdir()
    with pytest.raises(FileNotFoundError), artefact.opened():
        pass


def test_what_is_no_file_is_never_read(tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    with pytest.raises(FileMissing, match=r"half/saved_model\.pb cannot be read \(No such file"):
        scan_half(half)
    os.mkfifo(half / "saved_model.pb")
    with pytest.raises(UnsafePath, match=r"half/saved_model\.pb is no regular file but a pipe"):
        scan_half(half)
    (half / "saved_model.pb").unlink()
    (half / "saved_model.pb").symlink_to("saved_model.pb")
    with pytest.raises(FileUnreadable, match=r"half/saved_model\.pb cannot be read \(Too many levels of symbolic"):
        scan_half(half)
    (half / "saved_model.pb").unlink()
    with (half / "saved_model.pb").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ArtefactUnreadable, match="it has 1099511627776 bytes; at most 268435456 are read"):
        scan_half(half)


def test_every_network_below_a_path_is_found(fresh_store: ModelStore, tmp_path: Path) -> None:
    version = fresh_store.directory("image", 1)
    shutil.copy(version / "encoder" / "saved_model.pb", tmp_path)
    (tmp_path / "b.onnx").write_bytes(b"")
    (tmp_path / "c.xml").write_bytes(b"<net/>")
    (tmp_path / "saved_model.pbtxt").write_text("")
    found = {artefact.path.name: artefact.result for artefact in scan_path(tmp_path)}
    assert sorted(found) == ["b.onnx", "c.xml", "saved_model.pb", "saved_model.pbtxt"]
    assert [kind.format for kind in found.values() if isinstance(kind, Scan)] == ["OpenVINO IR", "SavedModel"]
    assert "holds no graph" in str(found["b.onnx"])
    assert "a form of a SavedModel that is not read" in str(found["saved_model.pbtxt"])
    assert [artefact.path.parent.name for artefact in scan_path(version)] == ["decoder", "encoder"]
    for nothing in (tmp_path / "nothing", version / "encoder" / "variables", version / "golden.npz"):
        with pytest.raises(ArtefactUnreadable, match="holds none"):
            list(scan_path(nothing))


def test_a_directory_that_cannot_be_read_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold what the scan is to find."""
    (tmp_path / "c.xml").write_bytes(b"<net/>")
    (tmp_path / "._c.xml").write_bytes(b"what a Mac knows of it")
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read everything
    closed, sound = scan_path(tmp_path)
    assert isinstance(closed.result, FileUnreadable)
    assert str(closed.result) == "closed cannot be read (Permission denied)"
    assert (closed.path, sound.path) == (tmp_path / "closed", tmp_path / "c.xml")


def test_an_error_says_which_half(tmp_path: Path) -> None:
    write_half(tmp_path / "encoder", [node("Placeholder", "outputs")])
    write_half(tmp_path / "decoder", [node("WriteFile", "outputs")])
    with pytest.raises(ForbiddenOperation, match=r"^decoder/saved_model\.pb: serving_default reaches WriteFile"):
        scan_halves(tmp_path)
