"""`latent models …` against a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_store import ModelStore
from tests.latent.conftest import Latent
from tests.support.publisher import republish


def test_list_for_programs(latent: Latent, store: Path) -> None:
    models = latent("models", "list", "--json", "--store", store).document["models"]
    assert [model["name"] for model in models] == ["conditional", "image", "plain-vector", "rgb", "sequence", "vector"]
    image = models[1]["versions"][0]
    assert (image["version"], image["family"], image["latent"]) == (1, "affine-vae", "2 gaussian")
    assert image["metrics"]["pca_mse"] == 0.5
    assert image["error"] is None


def test_list_for_people_prints_everything_whole_down_a_pipe(latent: Latent, fresh: Path) -> None:
    long = "a-model-with-a-name-of-sixty-four-characters-0123456789012345678"
    republish(fresh, long, fresh / "image" / "1")
    listed = latent("models", "list", "--store", fresh)
    assert listed.code == 0
    mse = ModelStore(fresh).manifest("image", 1).metrics["mse"]
    row = next(line for line in listed.out.splitlines() if line.startswith(f"{long}@1 "))
    assert repr(mse) in row
    assert "image 4×4×1" in row
    assert len(listed.out.splitlines()) == 8
    assert "…" not in listed.out


def test_list_names_what_is_damaged(latent: Latent, fresh: Path) -> None:
    (fresh / "image" / "1" / "manifest.json").write_text("{}")
    listed = latent("models", "list", "--store", fresh)
    assert listed.code == 0
    assert "ManifestAltered: manifest.json does not have the digest" in listed.out


def test_list_names_a_directory_that_cannot_be_read_and_lists_the_rest(latent: Latent, fresh: Path) -> None:
    (fresh / "loop").symlink_to("loop")
    complaint = f"1 directory cannot be read: {fresh}/loop cannot be read (Too many levels of symbolic links)"
    listed = latent("models", "list", "--store", fresh)
    assert "vector@1" in listed.out
    assert listed.complaint == complaint
    as_json = latent("models", "list", "--json", "--store", fresh)
    assert as_json.complaint == complaint
    document = json.loads(as_json.out)
    assert len(document["models"]) == 6
    assert [found["name"] for found in document["unreadable"]] == ["loop"]


def test_an_empty_store_says_what_to_do(latent: Latent) -> None:
    listed = latent("models", "list", "--store", "nowhere")
    assert listed.out == "The store nowhere has no model. Train one: latent train mnist-vae --store nowhere\n"
    assert latent("models", "list", "--json").document == {"models": []}


def test_the_environment_names_the_store(latent: Latent, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_STORE", str(store))
    assert len(latent("models", "list", "--json").document["models"]) == 6


def test_show(latent: Latent, fresh: Path) -> None:
    ModelStore(fresh).promote("image@1")
    document = latent("models", "show", "image", "--json", "--store", fresh).document
    assert document["aliases"] == ["production"]
    assert document["manifest"]["latent"] == {"dim": 2, "distribution": "gaussian"}
    shown = latent("models", "show", "image@production", "--store", fresh)
    assert shown.code == 0
    for text in ("image@1", "image 4×4×1", "2 gaussian", "gaussian, sigma 0.5", "uniform noise (CC0-1.0)"):
        assert text in shown.out
    assert "mse" in shown.out


def test_verify_names_each_finding_and_fails_if_any_is_bad(latent: Latent, fresh: Path) -> None:
    sound = latent("models", "verify", "image", "--store", fresh)
    assert (sound.code, sound.out) == (0, "image@1: sound\nimage (aliases and history): sound\n")
    golden = fresh / "image" / "1" / "golden.npz"
    golden.write_bytes(golden.read_bytes()[:-1])
    damaged = latent("models", "verify", "--store", fresh)
    assert damaged.complaint == "1 of 12 damaged: image@1"
    size = golden.stat().st_size
    assert (
        f"image@1: FileAltered: golden.npz has {size} bytes, not the {size + 1} that the manifest records"
        in damaged.out.splitlines()
    )
    as_json = latent("models", "verify", "image", "1", "--json", "--store", fresh)
    assert as_json.code == 2
    assert '"error": "FileAltered"' in as_json.out


def test_promote_and_rollback(latent: Latent, fresh: Path) -> None:
    republish(fresh, "image", fresh / "image" / "1")
    assert latent("models", "promote", "image", "1", "--store", fresh).out == "image@1 is production\n"
    assert latent("models", "promote", "image", "--store", fresh).out == "image@2 is production\n"
    assert latent("models", "rollback", "image", "--store", fresh).out == "image@1 is production again\n"
    assert "nothing to roll back" in latent("models", "rollback", "image", "--store", fresh).complaint
    assert latent("models", "promote", "image@2", "--alias", "trial", "--store", fresh).out == "image@2 is trial\n"
    assert ModelStore(fresh).aliases("image") == {"production": 1, "trial": 2}


def test_diff(latent: Latent, store: Path) -> None:
    document = latent("models", "diff", "image", "rgb@1", "--json", "--store", store).document
    assert (document["left"], document["right"]) == ("image@1", "rgb@1")
    assert document["differing"]["input.shape"] == [[4, 4, 1], [6, 4, 3]]
    assert "latent.dim" not in document["differing"]
    shown = latent("models", "diff", "image", "rgb", "--store", store)
    assert "likelihood.kind" in shown.out
    assert "files." not in shown.out
    same = latent("models", "diff", "image", "image@1", "--store", store)
    assert same.out == "image@1 and image@1 say the same of themselves\n"


def test_rm_takes_a_version_or_all_that_no_alias_holds(latent: Latent, fresh: Path) -> None:
    for _ in range(3):
        republish(fresh, "image", fresh / "image" / "1")
    bare = latent("models", "rm", "image", "--store", fresh).complaint
    assert bare == "say which version of image to remove, such as image@N (it has 1, 2, 3, 4)"
    assert latent("models", "rm", "image@4", "--store", fresh).out == "removed image@4\n"
    ModelStore(fresh).promote("image@2")
    held = latent("models", "rm", "image@production", "--store", fresh).complaint
    assert held.startswith("image@2 is production")
    assert latent("models", "rm", "image", "--all", "--store", fresh).out == "removed image@1\nremoved image@3\n"
    assert ModelStore(fresh).versions("image") == [2]
    assert "--all takes a model's name alone" in latent("models", "rm", "image@2", "--all", "--store", fresh).complaint


def test_gc(latent: Latent, fresh: Path) -> None:
    assert latent("models", "gc", "--store", fresh).out == "nothing to remove\n"
    (fresh / "image" / ".staging-dead").mkdir()
    assert latent("models", "gc", "--store", fresh).out == f"removed {fresh}/image/.staging-dead\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["show", "imgae"], "unknown model 'imgae'; did you mean image?"),
        (["show", "image@7"], "image has no version 7 (it has 1)"),
        (["show", "image@1", "2"], "the version is named twice: 'image@1' and '2'"),
        (["show", "Image"], "'Image' is no model name"),
        (["promote", "image", "--alias", "latest"], "'latest' is no alias"),
        (["rollback", "image@1"], "rollback takes a model's name and --alias, not 'image@1'"),
        (["rm", "image@9"], "image has no version 9 (it has 1)"),
        (["diff", "image"], "missing argument"),
        (["verify", "--store", "nowhere"], "the store nowhere does not exist"),
        (["frobnicate"], "no such command 'frobnicate'"),
        (["list", "--jsn"], "no such option: --jsn"),
    ],
)
def test_what_is_wrong_is_one_line(latent: Latent, store: Path, arguments: list[str], complaint: str) -> None:
    place = [] if "--store" in arguments or arguments[0] == "frobnicate" else ["--store", store]
    assert complaint in latent("models", *arguments, *place).complaint


def test_what_changes_the_store_says_so_as_json(latent: Latent, fresh: Path) -> None:
    promoted = latent("models", "promote", "image@1", "--json", "--store", fresh).document
    assert promoted == {"name": "image", "version": 1, "alias": "production"}
    (fresh / "image" / ".staging-left").mkdir()
    (removed,) = latent("models", "gc", "--json", "--store", fresh).document["removed"]
    assert Path(removed).name == ".staging-left"
    assert latent("models", "rm", "rgb@1", "--json", "--store", fresh).document == {"removed": ["rgb@1"]}
