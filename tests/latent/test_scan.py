"""`latent models scan`: versions, files and directories; sound and refused."""

from __future__ import annotations

import json
from pathlib import Path

from tests.latent.conftest import Latent
from tests.support.saved_models import node, saved_model, write_half


def test_a_version_is_scanned_half_by_half(latent: Latent, store: Path) -> None:
    shown = latent("models", "scan", "image", "conditional@1", "--store", store)
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0].split() == ["artefact", "format", "operations", "kinds", "verdict"]
    assert [Path(line.split()[0]).relative_to(store).as_posix() for line in lines[1:]] == [
        f"{name}/1/{half}/saved_model.pb" for name in ("image", "conditional") for half in ("decoder", "encoder")
    ]
    assert all(line.endswith("sound") for line in lines[1:])
    document = latent("models", "scan", "image@latest", "--json", "--store", store).document
    encoder = document["artefacts"][1]
    assert (encoder["format"], encoder["error"], encoder["not_for_tensorflow"]) == ("SavedModel", None, None)
    assert encoder["operations"]["MatMul"] == 1


def test_what_is_refused_is_named_and_fails(latent: Latent, tmp_path: Path) -> None:
    write_half(tmp_path / "evil", [node("WriteFile", "outputs")])
    write_half(tmp_path / "sound", [node("Placeholder", "outputs")])
    said = "serving_default reaches WriteFile, which writes files (node outputs)"
    refused = latent("models", "scan", tmp_path)
    assert refused.complaint == f"1 of 2 refused: {tmp_path}/evil/saved_model.pb: {said}"
    assert f"ForbiddenOperation: {said}" in refused.out
    as_json = latent("models", "scan", tmp_path / "evil" / "saved_model.pb", "--json")
    assert as_json.code == 2
    (found,) = json.loads(as_json.out)["artefacts"]
    assert (found["error"], found["detail"]) == ("ForbiddenOperation", said)


def test_what_only_tensorflow_may_not_load_is_sound(latent: Latent, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(saved_model([node("Placeholder", "outputs")]))
    shown = latent("models", "scan", tmp_path)
    assert shown.code == 0
    assert "sound, but not for TensorFlow: it has no objects: TensorFlow 1 saved it" in shown.out


def test_what_is_not_there_is_said_in_one_line(latent: Latent, store: Path, tmp_path: Path) -> None:
    assert "unknown model 'imag'; did you mean image?" in latent("models", "scan", "imag", "--store", store).complaint
    assert "has no version 9" in latent("models", "scan", "image@9", "--store", store).complaint
    assert latent("models", "scan", tmp_path).complaint == (
        f"{tmp_path} is no SavedModel, ONNX model or OpenVINO IR, and holds none"
    )
    assert "missing.onnx cannot be read" in latent("models", "scan", tmp_path / "missing.onnx").complaint
    (tmp_path / "noise.xml").write_bytes(b"\0\1\2")
    assert "it is no XML" in latent("models", "scan", tmp_path / "noise.xml").complaint
