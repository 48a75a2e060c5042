"""Every setting has a name, a type, a default and a meaning, and docs/settings.md says the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.settings import Settings, misspelt
from tests.support.server import ROOT
from training.catalogue import DATA_DIR_VARIABLE

PAGE = ROOT / "docs" / "settings.md"
SCHEMA: dict[str, Any] = Settings.model_json_schema()["properties"]
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
_KINDS = {"integer": "integer", "number": "number", "string": "text"}


def kind_of(schema: dict[str, Any]) -> str:
    """A field's type in words: `integer, ≥ 1`."""
    if "anyOf" in schema:
        return f"{kind_of(schema['anyOf'][0])}, or unset"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("format") == "path":
        return "directory"
    if schema.get("format") == "file-path":
        return "file"
    bounds = [f"{sign} {schema[bound]:g}" for bound, sign in _BOUNDS.items() if bound in schema]
    return ", ".join([_KINDS[schema["type"]], *bounds])


def default_of(schema: dict[str, Any]) -> str:
    default = schema["default"]
    return "unset" if default is None else f"`{default}`" if default != "" else "empty"


def row(name: str) -> str:
    schema = SCHEMA[name]
    return f"| `LATENT_{name.upper()}` | {kind_of(schema)} | {default_of(schema)} | {schema['description']} |"


@pytest.mark.parametrize("name", SCHEMA)
def test_a_setting_stands_in_the_docs_as_it_is(name: str) -> None:
    assert row(name) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_docs_have_no_setting_that_is_not_there() -> None:
    listed = re.findall(r"^\| `LATENT_(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(set(listed)) == sorted([*(name.upper() for name in SCHEMA), "DATA_DIR"])
    assert DATA_DIR_VARIABLE == "LATENT_DATA_DIR"


VALUES = {
    "store": ("elsewhere", Path("elsewhere")),
    "port": ("0", 0),
    "engine": ("tensorflow", "tensorflow"),
    "max_items": ("8", 8),
    "timeout_s": ("0.5", 0.5),
    "drain_s": ("0", 0.0),
    "default_model": ("digits@production", "digits@production"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_is_read_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = VALUES[name]
    monkeypatch.setenv(f"LATENT_{name.upper()}", text)
    assert getattr(Settings(), name) == value


@pytest.mark.parametrize(
    ("text", "prefix"), [("", ""), ("/", ""), ("/latent", "/latent"), ("latent/", "/latent"), ("/a/b/", "/a/b")]
)
def test_a_prefix_has_one_slash_before_and_none_after(text: str, prefix: str) -> None:
    assert Settings(root_path=text).root_path == prefix


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://lab.example", ("https://lab.example",)),
        (
            " HTTPS://Lab.Example:443 ,http://localhost:3000,",
            ("https://lab.example", "http://localhost:3000"),
        ),
        ("http://[::1]:8080,http://10.0.0.1:80", ("http://[::1]:8080", "http://10.0.0.1")),
    ],
)
def test_origins_are_as_browsers_write_them(
    text: str, origins: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENT_CORS_ORIGINS", text)
    assert Settings().allowed_origins == origins
    assert Settings(cors_origins=None).allowed_origins == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "65536"),
        ("port", "http"),
        ("engine", "torch"),
        ("load", "never"),
        ("max_items", "0"),
        ("timeout_s", "-1"),
        ("drain_s", "-0.1"),
        ("shutdown_timeout_s", "0"),
        ("log_level", "loud"),
        ("cors_origins", "lab.example"),
        ("cors_origins", "https://lab.example/"),
        ("cors_origins", "https://lab.example, *"),
        ("cors_origins", "https://*.lab.example"),
        ("cors_origins", "https://a@lab.example"),
        ("cors_origins", "null"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_at_start(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LATENT_{name.upper()}", text)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


def test_a_misspelt_variable_is_named_with_what_was_meant() -> None:
    environment = {"LATENT_PROT": "1", "LATENT_PORT": "1", "LATENT_DATA_DIR": "d", "LATENT_ZZZZ": "", "HOME": "h"}
    assert misspelt(environment) == {"LATENT_PROT": "LATENT_PORT", "LATENT_ZZZZ": None}
