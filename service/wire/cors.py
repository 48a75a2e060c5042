"""CORS: pages of the origins in LATENT_CORS_ORIGINS may read the answers (defined by the Fetch standard)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "HEAD", "POST")
REQUEST_HEADERS = ("Accept", "Authorization", "Content-Type", "If-None-Match", "X-Request-ID", "X-Request-Timeout")
EXPOSED_HEADERS = ("ETag", "Retry-After", "Server-Timing", "X-Latent-Model", "X-Latent-Seed", "X-Request-ID")


def cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Wrap an application with CORS headers and answers to preflight requests; unchanged without `origins`."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=EXPOSED_HEADERS,
    )
