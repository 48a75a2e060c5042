"""Every setting has a name, a type, a default and a meaning, and docs/settings.md says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from latent.errors import CommandError
from latent.service_settings import read_settings
from service.environment import link_in_place_of_port
from service.settings import SECRETS, Settings, misspelt
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
    "trusted_keys": (__file__, Path(__file__)),
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


@pytest.mark.parametrize("name", SCHEMA)
@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_set_and_empty_is_not_set(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LATENT_{name.upper()}", text)
    assert Settings() == Settings.model_construct()


@pytest.mark.parametrize("name", VALUES)
def test_blanks_around_a_value_are_dropped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = VALUES[name]
    monkeypatch.setenv(f"LATENT_{name.upper()}", f" {text}\r\n")
    assert getattr(Settings(), name) == value


NUMBERS = [name for name, schema in SCHEMA.items() if schema.get("type") in ("integer", "number")]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["1e300", "-1e300", "inf", "-inf", "nan", "1" * 31, "1" * 5000, "0x10", "ten", "1 0"])
def test_every_number_has_a_sane_bound(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LATENT_{name.upper()}", text)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


@pytest.mark.parametrize("name", ["model", "default_model"])
@pytest.mark.parametrize("text", ["Bad Name", "mnist vae", "x@", "x@0", "../x", "x" * 65])
def test_an_ill_formed_reference_is_refused_at_start(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LATENT_{name.upper()}", text)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize(
    ("text", "says"), [("nowhere", "No such file or directory"), ("x" * 300, "File name too long")]
)
def test_a_file_of_keys_that_is_not_there_is_told_of(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_TRUSTED_KEYS", text)
    with pytest.raises(CommandError) as told:
        read_settings()
    assert str(told.value).startswith(f"LATENT_TRUSTED_KEYS: it cannot be read ({says}), got ")


@pytest.mark.parametrize("text", ["s3cret", "s3cret\n", "s3cret\r\n", " \ts3cret "])
def test_a_secret_has_no_blanks_around_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_ADMIN_KEY", text)
    key = Settings().admin_key
    assert key is not None
    assert key.get_secret_value() == "s3cret"


@pytest.mark.parametrize(
    "text", ["s3c\nret", "s3c\tret", "s3c\x7fret", "s3c\x85ret", "с3cret", "s3cret\ufeff", "s3c\udcffret"]
)
def test_a_secret_that_no_header_can_hold_is_refused_and_not_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_ADMIN_KEY", text)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert text not in str(refused.value)
    with pytest.raises(CommandError) as told:
        read_settings()
    assert str(told.value).startswith("LATENT_ADMIN_KEY: ")
    assert "3c" not in str(told.value)


def test_every_secret_is_known_as_one() -> None:
    assert {name for name, schema in SCHEMA.items() if "writeOnly" in json.dumps(schema)} == SECRETS


LINKS = {
    "LATENT_PORT": "tcp://10.96.0.12:8000",
    "LATENT_SERVICE_HOST": "10.96.0.12",
    "LATENT_SERVICE_PORT": "8000",
    "LATENT_SERVICE_PORT_HTTP": "8000",
    "LATENT_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    "LATENT_PORT_8000_TCP_PROTO": "tcp",
    "LATENT_PORT_8000_TCP_PORT": "8000",
    "LATENT_PORT_8000_TCP_ADDR": "10.96.0.12",
}
"""The service links of a Service named `latent` with one port, which is called `http`."""


@pytest.mark.parametrize("service", ["latent", "latent-store", "latent-workers", "latent-model"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_service_links_are_no_settings(service: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = service.upper().replace("-", "_")
    links = {
        start + name.removeprefix("LATENT").replace("TCP", protocol.upper()): value.replace("tcp", protocol)
        for name, value in LINKS.items()
    }
    for name, value in links.items():
        monkeypatch.setenv(name, value)
    assert Settings() == Settings.model_construct()
    assert misspelt(links) == {}
    assert (link_in_place_of_port(links) is not None) is (service == "latent")


def test_a_service_link_to_an_ipv6_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_PORT", "tcp://[fd00::c]:8000")
    assert Settings().port == 8000


def test_what_only_looks_like_a_service_link_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_PORT", "http://localhost:8000")
    with pytest.raises(ValidationError):
        Settings()
    assert misspelt({"LATENT_HTTP_PORT": "8000", "LATENT_PORTS": "tcp://10.96.0.12:8000"}) == {
        "LATENT_HTTP_PORT": "LATENT_PORT",
        "LATENT_PORTS": "LATENT_PORT",
    }
