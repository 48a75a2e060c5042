"""Authorization of admin requests by the key of LATENT_ADMIN_KEY (RFC 6750, bearer tokens)."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.errors import Forbidden, NotFound, Unauthorized
from service.routes.dependencies import ServicesDep

_bearer = HTTPBearer(auto_error=False, scheme_name="admin", description="The key of LATENT_ADMIN_KEY.")


async def require_admin(
    request: Request, services: ServicesDep, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Check that a request has the admin key.

    Raises NotFound where no key is configured, as if the route did not exist; Unauthorized without a key in the
    request; Forbidden for a wrong key.
    """
    key = services.settings.admin_key
    if key is None or not key.get_secret_value():
        raise NotFound(f"there is nothing at {request.url.path[:200]}")
    if given is None:
        raise Unauthorized("this needs the header Authorization: Bearer KEY, with the key of LATENT_ADMIN_KEY")
    # Compared as bytes: headers are decoded as latin-1, and clients encode other letters than ASCII in either way.
    sent, secret = given.credentials.encode("latin-1"), key.get_secret_value()
    if not any(secrets.compare_digest(sent, secret.encode(encoding)) for encoding in ("utf-8", "latin-1")):
        raise Forbidden("the key is not that of LATENT_ADMIN_KEY")
