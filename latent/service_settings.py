"""The service's settings as commands read them: to serve over HTTP, or to answer in their own process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latent.errors import CommandError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SHOWN = 80
"""Characters of a value that a message shows."""


def read_settings(**given: Any) -> Any:  # noqa: ANN401 - service.settings.Settings, imported here alone
    """The service's settings: options that are not None, over LATENT_… variables. Raises CommandError."""
    from pydantic import ValidationError

    from service.settings import Settings

    options = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**options)
    except ValidationError as error:
        refused = [_sentence(details, options) for details in error.errors(include_url=False)]
        raise CommandError("; ".join(refused)) from error


def _sentence(details: ErrorDetails, options: Mapping[str, object]) -> str:
    """What is wrong with one setting, named as it was given; the value of a secret is not shown."""
    from service.settings import SECRETS

    name = str(details["loc"][0]) if details["loc"] else "settings"
    place = f"--{name.replace('_', '-')}" if name in options else f"LATENT_{name.upper()}"
    message = details["msg"]
    sentence = f"{place}: {message[0].lower()}{message[1:]}"
    if name in SECRETS:
        return sentence
    shown = repr(details["input"])
    return f"{sentence}, got {shown if len(shown) <= _SHOWN else f'{shown[:_SHOWN]}… ({len(shown)} characters)'}"
