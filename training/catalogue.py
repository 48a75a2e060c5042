"""The shipped recipes, and how settings change one."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from pydantic import ValidationError

from training.builders import BUILDERS
from training.config import TrainConfig
from training.errors import BadSetting, UnknownRecipe
from training.sections import Section

DATA_DIR_VARIABLE = "LATENT_DATA_DIR"
EMBEDDED = "mnist-5k"
"""The data set that digit recipes read when no directory is given: it is installed with the packages."""
_FIXED = ("recipe", "intended_use", "published")

_TEXTS = ("data.source", "data.dir", "data.label", "data.licence", "input.size")
"""Settings that are never read as TOML: a column may be called `true` or `2024-01-01`, and 0x48 is not 72."""

TomlValue = Any
Document = dict[str, TomlValue]


def recipe_names() -> list[str]:
    """The names that `load_recipe` takes, sorted."""
    return sorted(entry.name.removesuffix(".toml") for entry in _directory().iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str) -> TrainConfig:
    """Load a shipped recipe, unchanged. Raises UnknownRecipe, with near names."""
    return _validate(_document(name))


def configure(
    recipe: str,
    *,
    data: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    settings: Mapping[str, str] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
) -> TrainConfig:
    """Load a recipe and change it by settings.

    `settings` maps dotted keys to TOML values (a bare word is a string, names and sizes always are), as `--set` takes
    them; the named arguments
    are short for data.source, data.dir, training.epochs and training.seed, and win over `settings`. Without
    `data_dir` the environment's LATENT_DATA_DIR counts; without that too, a recipe of all MNIST reads mnist-5k unless
    `data` says otherwise. Raises UnknownRecipe or BadSetting.
    """
    document = _document(recipe)
    given: Document = {key: value if key in _TEXTS else _parse(value) for key, value in (settings or {}).items()}
    directory = data_dir if data_dir is not None else os.environ.get(DATA_DIR_VARIABLE, "").strip() or None
    named = {"data.source": data, "data.dir": directory, "training.epochs": epochs, "training.seed": seed}
    given |= {key: value for key, value in named.items() if value is not None}
    if directory is None and document["data"]["source"] == "mnist":
        given.setdefault("data.source", EMBEDDED)
    builder = given.get("model.builder", document["model"]["builder"])
    if builder != document["model"]["builder"]:
        document["model"] = {"builder": builder}  # what the recipe says of its own builder means nothing here
    valid = setting_keys(builder)
    for key, value in given.items():
        if key not in valid:
            raise BadSetting(_unknown_key(key, valid))
        section, _, name = key.partition(".")
        document.setdefault(section, {})[name] = value
    return _validate(document)


def setting_keys(builder: str) -> list[str]:
    """The dotted keys that can be set on a recipe with this builder."""

    def keys() -> Iterator[str]:
        for section, field in TrainConfig.model_fields.items():
            if section not in _FIXED:
                kind = BUILDERS.get(builder) if section == "model" else field.annotation
                names = kind.model_fields if isinstance(kind, type) and issubclass(kind, Section) else ["builder"]
                yield from (f"{section}.{name}" for name in names)

    return list(keys())


def _directory() -> Traversable:
    return files("training") / "recipes"


def _document(name: str) -> Document:
    names = recipe_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        raise UnknownRecipe(f"unknown recipe {name!r}; {hint}")
    document: Document = tomllib.loads((_directory() / f"{name}.toml").read_text(encoding="utf-8"))
    return {"recipe": name, **document}


def _parse(text: str) -> TomlValue:
    """Read a TOML value; text that is not TOML is a string."""
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if document.keys() == {"value"} else text


def _unknown_key(key: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown setting {key!r}{hint} (there are {', '.join(valid)})"


def _validate(document: Document) -> TrainConfig:
    try:
        return TrainConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        where = ".".join(str(part) for part in first["loc"] if part not in BUILDERS)
        if not where:  # a rule between settings, which names them itself
            raise BadSetting(message) from error
        got = first["input"]
        raise BadSetting(f"{where}: {message[0].lower()}{message[1:]}, got {got!r}") from error
