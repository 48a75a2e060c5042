"""Everything that the pages name exists: files and folders, modules, headings, settings, make targets.

What counts as a path, in back-ticks or in a diagram (a fenced block without a language):

- what starts with a folder of the repository's root and a slash (`training/recipes/`): it is looked for from the root;
- any other relative name that ends in a slash or as source files do (`manifest.py`, `models/`): it is looked for from
  the root and from every folder, those of the tests left out.

So `/livez` is no path (it starts with a slash), nor `image/png` (no folder, no such ending), nor `manifest.json`: files
of data belong to a version, or to the reader, unless a folder of the repository stands before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.settings import Settings
from tests.docs.pages import PAGES, anchors, code_spans, fences, name_of, relative_links
from tests.docs.repository import (
    has_anywhere,
    has_name,
    has_name_anywhere,
    has_path,
    make_targets,
    packages,
    top_folders,
)
from tests.support.server import ROOT
from training import load_recipe, recipe_names
from training.catalogue import DATA_DIR_VARIABLE, setting_keys

SOURCES = ("/", ".py", ".md", ".toml", ".sh", ".yml", ".txt", ".js", ".css", ".html")
DATA = (".json", ".npy", ".npz", ".csv", ".parquet", ".png", ".gif", ".sha256")

NOT_IN_THE_REPOSITORY = {
    "store/": "made by training; .gitignore has it",
    ".bench/": "made by make bench; .gitignore has it",
    "encoder/": "a folder of every version in a store",
    "decoder/": "a folder of every version in a store",
    "mnist/": "a folder of the reader's data",
    "fashion-mnist/": "a folder of the reader's data",
    "photos/": "a folder of the reader's data",
}

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def diagrams(page: Path) -> list[str]:
    """Fenced blocks that draw this repository; what begins with a place to fill in, `<store>/`, draws another."""
    return [fence.text for fence in fences(page, "", "text") if not fence.text.startswith("<")]


def words(page: Path) -> Iterator[str]:
    """What may be a path or a dotted name: the words of code in back-ticks, and of diagrams."""
    for span in code_spans(page):
        yield from (word.strip(",;:()'\"").partition("(")[0] for word in span.split())
    for diagram in diagrams(page):
        yield from (word.rstrip(".") for word in re.findall(r"[\w./-]+", diagram))


def is_path(word: str) -> bool:
    """Whether the word is a path of the repository, by the rule above."""
    if not re.fullmatch(r"(?=.*[^\W\d_])[\w.-][\w./-]*", word) or re.fullmatch(r"\.\w+", word):
        return False  # `.npy` and `.py` are endings
    first, slash, _ = word.partition("/")
    return bool(slash and first in {".", *top_folders()}) or word.endswith(SOURCES)


def is_there(path: str) -> bool:
    bare = path.removeprefix("./").rstrip("/")
    anchored = bare != path.rstrip("/") or bare.partition("/")[0] in top_folders()
    return has_path(bare) if anchored else has_anywhere(bare)


@each_page
def test_every_path_is_there(page: Path) -> None:
    named = {word for word in words(page) if is_path(word)} - NOT_IN_THE_REPOSITORY.keys()
    assert sorted(path for path in named if not is_there(path)) == []


@pytest.mark.parametrize("path", NOT_IN_THE_REPOSITORY)
def test_what_is_said_to_be_elsewhere_is_not_in_the_repository(path: str) -> None:
    assert not is_there(path)


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in relative_links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


RECIPE_KEYS = {key for name in recipe_names() for key in setting_keys(load_recipe(name).model.builder)}
"""`training.epochs` and `latent.dim` look like modules, and are settings of a recipe."""


@each_page
def test_every_module_is_there(page: Path) -> None:
    dotted = {word for word in words(page) if re.fullmatch(r"[a-z_]\w*(\.[a-zA-Z_]\w*)+", word)} - RECIPE_KEYS
    ours = {name for name in dotted if name.partition(".")[0] in packages()}
    assert sorted(name for name in ours if not is_path(name) and not has_name(name)) == []


def test_every_dotted_name_of_the_architecture_is_there() -> None:
    page = ROOT / "ARCHITECTURE.md"
    dotted = {span for span in code_spans(page) if re.fullmatch(r"[a-z_]\w*\.[a-zA-Z_]\w*", span)} - RECIPE_KEYS
    ours = {name for name in dotted if not is_path(name) and name.partition(".")[0] not in packages()}
    code = {name for name in ours if not name.endswith(DATA) and not find_spec(name.partition(".")[0])}
    assert sorted(name for name in code if not has_name_anywhere(name)) == []


@each_page
def test_every_setting_is_read_by_something(page: Path) -> None:
    named = set(re.findall(r"\bLATENT_[A-Z][A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    read = {DATA_DIR_VARIABLE, *(f"LATENT_{name.upper()}" for name in Settings.model_fields)}
    assert sorted(named - read) == []


@each_page
def test_every_make_target_is_in_the_makefile(page: Path) -> None:
    code = [*code_spans(page), *(line for fence in fences(page, "sh") for line in fence.text.splitlines())]
    named = {found[1] for line in code if (found := re.match(r"make ([a-z]+)\b(?!=)", line))}
    assert named <= make_targets()


def test_the_rules_tell_paths_from_other_words() -> None:
    for path in ("training/recipes/", "docs/api.md", "service/settings", "manifest.py", "recipes/", "./client"):
        assert is_path(path), path
        assert is_there(path), path
    for gone in ("training/gone/", "docs/gone.md", "service/gone", "gone.py", "gone/", "./recipes"):
        assert is_path(gone), gone
        assert not is_there(gone), gone
    for other in ("/livez", "image/png", "manifest.json", ".npy", "n/2", "/", "3/", "--store", "LATENT_PORT=/x"):
        assert not is_path(other), other
    assert has_name("service.settings.Settings")
    assert not has_name("service.settings.Gone")
    assert not has_name("service.gone")
    assert "the-verbs" in anchors(ROOT / "docs" / "api.md")


def test_a_page_is_taken_apart(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A `b`, c!\n\n[x](y.md#z) <img src="p.png"> [far](https://example.org)\n\n```sh\nls `no`\n```\n\n## A b c\n\n'
        "One `two\nthree`.\n\n```\na.py ──► b/\n```\n",
        encoding="utf-8",
    )
    assert relative_links(page) == ["y.md#z", "p.png"]
    assert anchors(page) == {"a-b-c", "a-b-c-1"}
    assert code_spans(page) == ["b", "two three"]
    assert [(fence.line, fence.text) for fence in fences(page, "sh")] == [(6, "ls `no`\n")]
    assert [word for word in words(page) if is_path(word)] == ["a.py", "b/"]
