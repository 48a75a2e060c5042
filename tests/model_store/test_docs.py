"""docs/model-store.md matches the code: every error, every manifest field, and an example that runs."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from model_store import ModelStore, errors
from model_store.manifest import ImageInput, Manifest
from tests.support.affine import AFFINE

PAGE = (Path(__file__).parents[2] / "docs" / "model-store.md").read_text(encoding="utf-8")

CLAUSES = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, errors.StoreError) and not error.__subclasses__()
]


def test_there_are_as_many_clauses_as_the_page_has_rows() -> None:
    assert len(CLAUSES) == len(re.findall(r"\| `[A-Z]\w+` \|$", PAGE, flags=re.MULTILINE)) == 39


@pytest.mark.parametrize("error", CLAUSES, ids=lambda error: error.__name__)
def test_every_error_has_a_clause_and_a_test(error: type[errors.StoreError]) -> None:
    assert re.search(rf"^\| .* \| `{error.__name__}` \|$", PAGE, flags=re.MULTILINE)
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    assert error.__name__ in tests


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        part = field.annotation
        if name == "input":
            part = ImageInput
        nested = inspect.isclass(part) and issubclass(part, BaseModel)
        if nested and name not in ("dataset", "preprocess"):
            yield from fields(part, f"{prefix}{name}.")  # type: ignore[arg-type]  # narrowed by `nested`
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("field", sorted(fields(Manifest)))
def test_every_field_of_the_manifest_is_in_the_table(field: str) -> None:
    table = PAGE[PAGE.index("## Manifest") : PAGE.index("A manifest, shortened")]
    assert f"`{field}`" in table


def test_the_publisher_on_the_page_publishes(tmp_path: Path, affine_store: ModelStore) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE[PAGE.index("## A publisher of your own") :], flags=re.DOTALL)
    assert code is not None
    space: dict[str, Any] = {}
    exec(code[1], space)  # noqa: S102 - the page's own example
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    z, _ = AFFINE["vector"].encode(x)

    def export(staging: Path) -> None:
        for half in ("encoder", "decoder"):
            shutil.copytree(affine_store.directory("vector", 1) / half, staging / half)

    outputs = AFFINE["vector"].decode(z).astype(np.float32)
    assert space["publish"](tmp_path, export, x, z.astype(np.float32), outputs) == 1
    assert [finding for finding in ModelStore(tmp_path).verify() if finding.error] == []
