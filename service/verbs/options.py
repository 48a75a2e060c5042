"""Options as a request gives them: typed, checked, and an unknown one is never ignored.

The same models read a JSON body (strictly: "3" is no number there) and a query (where all is text).
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from model_store.versions import near
from service.errors import MAX_NAME, FieldError, InvalidValue, ServiceError, UnknownOption
from service.wire.json_body import describe

MAX_SEED = 2**53 - 1


def _listed(value: object) -> object:
    return value if value is None or isinstance(value, list | tuple) else [value]


Label = int | str
Labels = Annotated[list[Label] | None, BeforeValidator(_listed, json_schema_input_type=list[Label] | Label | None)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)] | None


class Options(BaseModel):
    """Base of every verb's options."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


class PictureOptions(Options):
    """How an answer looks as a picture."""

    as_: Literal["png"] | None = Field(
        None, alias="as", description="`png`: base64 PNGs in `images`, in place of `outputs`, in a JSON reply."
    )
    scale: int = Field(1, ge=1, le=16, description="Magnification of pictures, nearest neighbour.")


class InputOptions(Options):
    """How pictures become inputs, and what they are conditioned on."""

    labels: Labels = Field(
        None, description="Class of each item, or one for all: an index or a name. Conditional models only."
    )
    fit: Literal["contain", "cover", "stretch"] | None = Field(
        None, description="How an image of another size is brought to the model's; the manifest's where null."
    )
    invert: bool = Field(False, description="Invert an image's colours: dark on light for a light-on-dark model.")


class EncodeOptions(InputOptions):
    """POST /encode."""

    sample: bool = Field(False, description="Draw z from the posterior; otherwise z is z_mean.")
    seed: Seed = Field(None, description="Of the draw; where null the server draws one and returns it.")


class DecodeOptions(PictureOptions):
    """POST /decode."""

    labels: Labels = Field(None, description="Class of each code, or one for all. Conditional models only.")


class ReconstructOptions(InputOptions, PictureOptions):
    """POST /reconstruct."""

    target_labels: Labels = Field(
        None, description="Decode as these classes in place of `labels`: the style of one, the content of another."
    )
    threshold: FiniteFloat | None = Field(None, ge=0, description="Anomaly threshold; the manifest's where null.")
    quantile: FiniteFloat | None = Field(
        None, ge=0, le=1, description="Anomaly threshold as a quantile of the held-out errors."
    )
    error_map: bool = Field(False, description="Add the squared error of every element.")


class InterpolateOptions(InputOptions, PictureOptions):
    """POST /interpolate."""

    steps: int = Field(8, ge=2, description="Items of a segment, both waypoints included.")
    method: Literal["auto", "lerp", "slerp"] = Field(
        "auto", description="`auto`: slerp for Gaussian codes, lerp for deterministic ones."
    )
    space: Literal["latent", "data"] = Field("latent", description="`data` blends the inputs themselves.")
    fps: FiniteFloat = Field(12.0, ge=0.1, le=50, description="Pictures a second of a GIF (in steps of 10 ms) or WebP.")


class SampleOptions(PictureOptions):
    """POST /sample, GET /sample."""

    n: int = Field(16, ge=1, description="How many.")
    seed: Seed = Field(None, description="Where null the server draws one and returns it.")
    temperature: FiniteFloat = Field(1.0, ge=0, le=100, description="Scales the standard deviation around the mean.")
    truncation: FiniteFloat | None = Field(
        None, gt=0, le=100, description="Draw from the normal truncated at so many standard deviations."
    )
    prior: Literal["auto", "standard", "fitted"] = Field(
        "auto", description="`standard` N(0, I), `fitted` the mixture fitted to the codes; `auto` by the kind of code."
    )
    labels: Labels = Field(None, description="Class of each sample, or one for all. Conditional models only.")


class ManifoldOptions(PictureOptions):
    """GET /manifold."""

    n: int = Field(15, ge=1, le=64, description="Items a side.")
    spacing: Literal["quantile", "linear"] = Field(
        "quantile", description="`quantile`: equally likely apart under the prior; `linear`: equally far apart."
    )
    low: FiniteFloat | None = Field(None, ge=1e-6, lt=0.5, description="Lowest quantile (0.05), with spacing=quantile.")
    extent: FiniteFloat | None = Field(
        None, gt=0, le=100, description="Prior standard deviations to each side (4), with spacing=linear."
    )
    dims: list[int] | None = Field(
        None, min_length=1, max_length=2, description="Dimensions that vary: across, up. The first two where null."
    )
    z: list[FiniteFloat] | None = Field(
        None, description="The code held fixed in the other dimensions: zero, or the mean of the fitted prior."
    )
    label: Label | None = Field(None, description="Class index or name. Conditional models only.")


# -- reading -----------------------------------------------------------------------------------------------

O = TypeVar("O", bound=Options)  # noqa: E741 - reads as "of options"


def read_options(
    kind: type[O], body: Mapping[str, Any], query: Iterable[tuple[str, str]], names: Iterable[str] = ()
) -> O:
    """Options from a JSON body and from the query, each given once.

    `names` are what the body may hold beside options. Raises UnknownOption with near names, InvalidValue with every
    value that does not fit.
    """
    known = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    given: dict[str, list[str]] = {}
    for name, text in query:
        given.setdefault(name, []).append(text)
    for name in (*body, *given):
        if name not in known:
            raise _unknown(name, (*known, *names))
    if twice := sorted(body.keys() & given.keys()):
        raise _twice(twice[0], "one of body and query", "both")
    from_query = {name: _query_value(name, texts, known[name]) for name, texts in given.items()}
    try:
        strict = kind.model_validate(dict(body), strict=True)
        if not from_query:
            return strict
        plain = {name: _plain(value, known[name]) for name, value in from_query.items()}
        loose = kind.model_validate(plain, strict=False)
    except ValidationError as error:
        raise _invalid(error, {**body, **from_query}) from None
    return strict.model_copy(update={name: getattr(loose, name) for name in loose.model_fields_set})


def _unknown(name: str, known: Iterable[str]) -> ServiceError:
    known, shown = list(known), name[:MAX_NAME]
    hint = [other for other in near(shown, known) if other != shown]
    detail = f"there is no option {shown!r}" + (f"; did you mean {' or '.join(hint)}?" if hint else "")
    return UnknownOption.at([name], detail[:300], expected=f"one of {', '.join(known)}", got=repr(shown)[:60])


def _twice(name: str, expected: str, got: str) -> ServiceError:
    return InvalidValue.at([name], f"{name} is given twice", expected=expected, got=got)


_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number in a query. pydantic alone would take `1_0`, ` 1 ` and `infinity` as well."""


def _query_value(name: str, texts: list[str], annotation: Any) -> Any:  # noqa: ANN401 - a type as written
    """The text of a query option: lists are separated by commas, or the option is repeated."""
    if _takes(list, annotation):
        return [part.strip() for text in texts for part in text.split(",")]
    if len(texts) > 1:
        raise _twice(name, "one value", f"{len(texts)} values")
    return texts[0]


def _plain(value: Any, annotation: Any) -> Any:  # noqa: ANN401 - as above
    """A query option's value, with nothing in place of what is no number where one is wanted."""
    if _takes(str, annotation) or not (_takes(int, annotation) or _takes(float, annotation)):
        return value
    if isinstance(value, list):
        return [part if _NUMBER.fullmatch(part) else "" for part in value]
    return value if _NUMBER.fullmatch(value) else ""


def _takes(kind: type, annotation: Any) -> bool:  # noqa: ANN401 - a type as written
    """Whether values of a type may be of a kind, or be lists of it."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated, list):
        parts = get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]
        return get_origin(annotation) is kind or any(_takes(kind, part) for part in parts)
    return annotation is kind


_EXPECTED = {
    "int": "an integer",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "literal": "{expected}",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
}


_LABELS = ("labels", "target_labels", "label")


def _place(value: Any, loc: Sequence[int | str]) -> tuple[list[int], Any]:  # noqa: ANN401 - any JSON
    """Where in a value a complaint points, and what stands there; a single value has no places."""
    place: list[int] = []
    for part in loc:
        if isinstance(part, int) and isinstance(value, list) and part < len(value):
            place.append(part)
            value = value[part]
    return place, value


def _invalid(error: ValidationError, given: Mapping[str, Any]) -> ServiceError:
    """The first complaint about each value, in words of our own."""
    found: dict[str, FieldError] = {}
    for item in error.errors(include_url=False):
        name = str(item["loc"][0]) if item["loc"] else ""
        if name in found:
            continue
        reason = max((key for key in _EXPECTED if item["type"].startswith(key)), key=len, default=None)
        expected = _EXPECTED[reason].format(**item.get("ctx", {})) if reason else "a value as the API describes it"
        if name in _LABELS and item["type"] in ("int_type", "string_type"):
            expected = "a class name or an index"
        place, value = _place(given.get(name), item["loc"])
        found[name] = {"loc": [name, *place], "expected": expected, "got": describe(value)}
    errors = list(found.values())
    detail = "; ".join(f"{'.'.join(map(str, e['loc']))} must be {e['expected']}, not {e['got']}" for e in errors)
    return InvalidValue(detail, errors=errors)
