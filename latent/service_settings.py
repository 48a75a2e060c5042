"""The service's settings as commands read them: to serve over HTTP, or to answer in their own process."""

from __future__ import annotations

from typing import Any

from latent.errors import CommandError


def read_settings(**given: Any) -> Any:  # noqa: ANN401 - service.settings.Settings, imported here alone
    """The service's settings: options that are not None, over LATENT_… variables. Raises CommandError."""
    from pydantic import ValidationError

    from service.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        message = first["msg"]
        raise CommandError(
            f"LATENT_{name.upper()}: {message[0].lower()}{message[1:]}, got {first['input']!r}"
        ) from error
