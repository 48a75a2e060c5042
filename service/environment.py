"""The environment variables that are settings: without blanks around them, without empty ones, without service links.

Imports the standard library alone, so that a container's health check can afford it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping

PREFIX = "LATENT_"
DEFAULT_PORT = 8000

_LINK = re.compile(r"(tcp|udp|sctp)://\S+", re.IGNORECASE)
_LINK_NAME = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that begin like a setting, by name: stripped of blanks, without empty ones and service links."""
    return {
        name: value.strip()
        for name, value in environment.items()
        if name.upper().startswith(PREFIX) and value.strip() and not is_service_link(name, value)
    }


def strip_blanks(environment: MutableMapping[str, str]) -> None:
    """Strip blanks from around every variable that begins like a setting, and remove the empty ones."""
    for name in [name for name in environment if name.upper().startswith(PREFIX)]:
        value = environment[name].strip()
        if not value:
            del environment[name]
        elif value != environment[name]:
            environment[name] = value


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes or Docker set a variable to tell of a service whose name begins with `latent`.

    A Service named `latent` sets LATENT_PORT=tcp://10.96.0.12:8000, LATENT_SERVICE_HOST and others in every pod beside
    it; one named `latent-store` sets LATENT_STORE_PORT and so on.
    """
    rest = name.upper().removeprefix(PREFIX)
    if _LINK_NAME.fullmatch(rest):
        return True
    return (rest == "PORT" or rest.endswith("_PORT")) and _LINK.fullmatch(value.strip()) is not None


def link_in_place_of_port(environment: Mapping[str, str]) -> str | None:
    """The service link in LATENT_PORT, which the default port stands in for; None where there is none."""
    name = f"{PREFIX}PORT"
    value = environment.get(name, "").strip()
    return value if is_service_link(name, value) else None
